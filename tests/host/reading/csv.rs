//! The list of calls as CSV.

use serde_json::json;

use crate::reading::listing::{add, ids, mixture};
use crate::support::events::{conversation, empty_world, transcription, world_with_calls};
use crate::support::world::{Reply, World, request};

async fn csv(world: &World, target: &str) -> Reply {
    let mut request = request("GET", target, "");
    request
        .headers
        .push(("accept".to_owned(), "text/csv".to_owned()));
    world.send(request).await
}

#[tokio::test]
async fn the_list_as_csv_is_exact_and_no_cell_is_a_formula() {
    let world = empty_world();
    world.database.execute(
        "INSERT INTO calls (id, call_sid, conversation_id, driver_id, call_start_time, call_end_time, status, \
           failure_reason, summary, created_at, updated_at) VALUES \
         (1, 'EL_1', 'conv_1', 7, '2025-11-21T10:30:00.000Z', '2025-11-21 10:31:00', 'completed', NULL, \
          'He said \"yes\", then' || char(13, 10) || 'hung up', 'x', 'y'), \
         (2, '=cmd', NULL, NULL, '2025-11-21T10:30:01.000Z', NULL, 'failed', '-busy', '+1,5', '', ''), \
         (3, '@sum', NULL, 8, '2025-11-21T10:30:02.000Z', NULL, 'in_progress', char(9) || 'x', 'é😀', '', '')",
    );
    let reply = csv(&world, "/calls").await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.headers["content-type"],
        "text/csv; charset=utf-8; header=present"
    );
    assert_eq!(reply.headers.get("x-next-cursor"), None);
    let heading = "\"id\",\"call_sid\",\"conversation_id\",\"driver_id\",\"status\",\"failure_reason\",\
        \"call_start_time\",\"call_end_time\",\"summary\",\"created_at\",\"updated_at\",\"turn_count\"\r\n";
    let rows = r#""3","'@sum","","8","in_progress","'	x","2025-11-21T10:30:02.000Z","","é😀","","","0"
"2","'=cmd","","","failed","'-busy","2025-11-21T10:30:01.000Z","","'+1,5","","","0"
"1","EL_1","conv_1","7","completed","","2025-11-21T10:30:00.000Z","2025-11-21T10:31:00.000Z","He said ""yes"", then
hung up","x","y","0"
"#
    .replace('\n', "\r\n");
    assert_eq!(reply.text, format!("{heading}{rows}"));
    let empty = csv(&world, "/calls?driver_id=99").await;
    assert_eq!(empty.text, heading);
}

#[tokio::test]
async fn the_pages_of_the_csv_follow_the_header() {
    let world = empty_world();
    add(&world, &mixture(20));
    let mut seen = Vec::new();
    let mut target = "/calls?limit=6".to_owned();
    loop {
        let reply = csv(&world, &target).await;
        let rows = reply.text.lines().skip(1);
        seen.extend(rows.map(|row| row.split('"').nth(1).unwrap().parse::<i64>().unwrap()));
        match reply.headers.get("x-next-cursor") {
            Some(cursor) => target = format!("/calls?limit=6&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ids(mixture(20)));
}

#[tokio::test]
async fn the_most_specific_range_decides() {
    let world = empty_world();
    for (accept, media_type) in [
        ("application/json;q=0, */*", "text/csv"),
        ("application/json;q=0.1, */*;q=0.9", "text/csv"),
        ("text/csv;q=0.1, */*;q=0.5", "application/json"),
        ("text/csv;Q=0.1, application/json;q=0.5", "application/json"),
    ] {
        let mut request = request("GET", "/calls", "");
        request
            .headers
            .push(("accept".to_owned(), accept.to_owned()));
        let reply = world.send(request).await;
        let sent = &reply.headers["content-type"];
        assert!(sent.starts_with(media_type), "{accept}: {sent}");
    }
}

/// The cells of a reader that splits at `;` and takes quotes as they come, as a spreadsheet does in
/// a country where the comma is the decimal point.
fn split_at_semicolons(csv: &str) -> Vec<&str> {
    csv.split([';', '\r', '\n', '\t'])
        .map(|cell| cell.trim_start_matches(['"', ' ']))
        .collect()
}

#[tokio::test]
async fn no_half_of_a_text_is_a_formula_where_a_spreadsheet_splits_at_semicolons() {
    let formula = "=cmd|' /C calc'!A0";
    for words in [
        format!("fine;{formula}"),
        format!(";{formula}"),
        format!("fine; {formula};fine"),
        format!("fine\";{formula}"),
        format!("fine\n{formula}\nfine"),
        format!("fine\t{formula}"),
    ] {
        let world = world_with_calls(&[7]).await;
        let mut data = conversation(7, &[(1, "A:Hello")]);
        data["analysis"]["transcript_summary"] = json!(words);
        world.deliver(&transcription(data)).await;
        let reply = csv(&world, "/calls").await;
        for cell in split_at_semicolons(&reply.text) {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{words:?}: {cell}");
        }
        for line in reply.text.split("\r\n").filter(|line| !line.is_empty()) {
            assert!(line.ends_with('"'), "every cell is quoted: {line}");
        }
    }
}
