//! Turns that are posted when ElevenLabs' transcript is already stored, or at the same moment.

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::events::transcripts::{nth, numbers};
use crate::support::events::{STARTED, at, conversation, spoken, transcription, world_with_calls};
use crate::support::world::{TURN, World, sid};

const REPORTED: [(i64, &str); 4] = [(1, "A:Hello"), (4, "D:Yes."), (6, "A:Sure?"), (8, "D:Yes.")];

/// Driver 7's call, settled by a transcript of which no turn was posted before.
async fn settled() -> World {
    let world = world_with_calls(&[7]).await;
    let event = transcription(conversation(7, &REPORTED));
    assert_eq!(world.deliver(&event).await, "applied");
    world
}

/// The status, id and place that were answered.
fn saved(reply: &crate::support::world::Reply) -> (u16, i64, i64) {
    let number = |field: &str| reply.body[field].as_i64().unwrap();
    (
        reply.status,
        nth(&reply.body["transcription_id"]),
        number("sequence_number"),
    )
}

#[tokio::test]
async fn a_late_turn_takes_its_place_in_the_transcript() {
    let world = settled().await;
    assert_eq!(saved(&world.say(7, 2, "A: Hello ").await), (200, 1, 1));
    assert_eq!(saved(&world.say(7, 7, "A:Sure?").await), (200, 3, 3));
    let words = REPORTED.map(|(_, text)| text);
    assert_eq!(world.words(7).await, words);
    let turns = world.turns(7).await;
    let times: Vec<_> = turns.iter().map(|turn| turn["timestamp"].clone()).collect();
    assert_eq!(times, [at(2), at(4), at(7), at(8)]);
}

#[tokio::test]
async fn of_equal_sentences_the_closest_one_takes_the_late_turn() {
    let world = settled().await;
    assert_eq!(saved(&world.say(7, 9, "D:Yes.").await), (200, 4, 4));
    assert_eq!(saved(&world.say(7, 10, "D:Yes.").await), (200, 2, 2));
    // There are no more of them.
    assert_eq!(saved(&world.say(7, 11, "D:Yes.").await), (201, 5, 5));
}

#[tokio::test]
async fn a_late_turn_that_comes_again_is_the_same_turn() {
    let world = settled().await;
    for (second, text) in [
        (2, "A:Hello"),
        (1, "A:Hello"),
        (4, "D:Yes."),
        (5, "D:Perhaps."),
        (99, "A:Bye"),
    ] {
        let first = world.say(7, second, text).await;
        let before = world.words(7).await;
        for _ in 0..3 {
            let again = world.say(7, second, text).await;
            assert_eq!((again.status, &again.body), (200, &first.body), "{text}");
        }
        assert_eq!(world.words(7).await, before);
    }
}

#[tokio::test]
async fn a_late_turn_elevenlabs_does_not_have_is_kept_in_its_place_by_time() {
    let world = settled().await;
    let mut others = Vec::new();
    for (second, text, place) in [
        (99, "D:Late", 5),
        (5, "D:Perhaps.", 3),
        (0, "D:Who is it?", 1),
        (5, "A:Sorry?", 5),
    ] {
        let reply = world.say(7, second, text).await;
        let (status, _, number) = saved(&reply);
        assert_eq!((status, number), (201, place), "{text}");
        others.push(reply.body["transcription_id"].clone());
    }
    let expected = [
        "D:Who is it?",
        "A:Hello",
        "D:Yes.",
        "D:Perhaps.",
        "A:Sorry?",
        "A:Sure?",
        "D:Yes.",
        "D:Late",
    ];
    assert_eq!(world.words(7).await, expected);
    // When the transcript comes again they stay.
    let mut event = transcription(conversation(7, &REPORTED));
    event["event_timestamp"] = json!(STARTED + 300);
    assert_eq!(world.deliver(&event).await, "applied");
    assert_eq!(world.words(7).await, expected);
    for id in others {
        let sql = format!("SELECT origin FROM call_transcriptions WHERE id = {id}");
        assert_eq!(world.database.value(&sql), "unreported");
    }
}

#[tokio::test]
async fn a_late_turn_in_which_the_agent_was_interrupted_is_known_by_what_it_meant_to_say() {
    let world = world_with_calls(&[7]).await;
    let mut data = conversation(7, &[(1, "A:You drove..."), (3, "D:Wait")]);
    data["transcript"][0]["original_message"] = json!("You drove twelve hours.");
    world.deliver(&transcription(data)).await;
    assert_eq!(
        saved(&world.say(7, 2, "A:You drove twelve hours.").await),
        (200, 1, 1)
    );
    assert_eq!(
        saved(&world.say(7, 2, "A:You drove twelve hours.").await),
        (200, 1, 1)
    );
    assert_eq!(world.words(7).await, ["A:You drove...", "D:Wait"]);
}

#[tokio::test]
async fn the_same_late_turn_ten_times_at_once_is_one_turn() {
    for (second, text, stored) in [(2, "A:Hello", 4), (5, "D:Perhaps.", 5)] {
        let world = settled().await;
        let replies = join_all((0..10).map(|_| world.say(7, second, text))).await;
        assert!(
            replies
                .iter()
                .all(|reply| [200, 201].contains(&reply.status))
        );
        assert!(replies.iter().all(|reply| reply.body == replies[0].body));
        let new = replies.iter().filter(|reply| reply.status == 201).count();
        assert_eq!(new, stored - REPORTED.len());
        assert_eq!(world.turns(7).await.len(), stored);
    }
}

#[tokio::test]
async fn a_late_turn_with_microseconds_that_comes_twice_at_once_is_one_turn() {
    for (fraction, stored) in [("123456", "123"), ("0000001", "000"), ("999999999", "999")] {
        // The second copy comes at each moment of the first one's way.
        for yields in 0..8 {
            let world = settled().await;
            let turn = json!({ "call_sid": sid(7), "speaker": "user", "message": "Perhaps.",
                "timestamp": format!("2025-11-21T10:30:05.{fraction}Z") });
            let copies = [0, yields].map(|yields| after(yields, world.post(TURN, &turn)));
            let replies = join_all(copies).await;
            assert_eq!(replies[0].body, replies[1].body, "{fraction}, {yields}");
            let turns = world.turns(7).await;
            assert_eq!(turns.len(), 5, "{turns:?}");
            let said_at = format!("2025-11-21T10:30:05.{stored}Z");
            assert_eq!(turns[2]["timestamp"], said_at);
        }
    }
}

#[tokio::test]
async fn different_late_turns_at_once_are_all_stored_without_gap() {
    let world = settled().await;
    let late: Vec<_> = (0..6).map(|n| (n, format!("D:late {n}"))).collect();
    let replies = join_all(late.iter().map(|(n, text)| world.say(7, *n, text))).await;
    assert!(
        replies.iter().all(|reply| reply.status == 201),
        "{replies:#?}"
    );
    let words = world.words(7).await;
    assert_eq!(words.len(), 10);
    for (_, text) in &late {
        assert_eq!(words.iter().filter(|word| *word == text).count(), 1);
    }
}

/// Does this after so many turns of the executor.
async fn after<T>(yields: usize, doing: impl Future<Output = T>) -> T {
    for _ in 0..yields {
        tokio::task::yield_now().await;
    }
    doing.await
}

/// Posts all of these and delivers the event, each after some turns of the executor; then every
/// turn that was answered is there once, and the transcript is ElevenLabs' own.
async fn race(seed: u64, posted: &[(i64, &str)]) {
    let mut next = numbers(seed);
    let world = world_with_calls(&[7]).await;
    let event = transcription(conversation(7, &REPORTED));
    let mut order: Vec<_> = posted.iter().collect();
    for place in (1..order.len()).rev() {
        order.swap(place, next(place + 1));
    }
    let turns: Vec<_> = order
        .into_iter()
        .map(|(second, text)| after(next(7), world.say(7, *second, text)))
        .collect();
    let delivered = after(next(7), world.deliver(&event));
    let (replies, status) = join(join_all(turns), delivered).await;
    for reply in &replies {
        assert!(
            [200, 201].contains(&reply.status),
            "seed {seed}: {}",
            reply.text
        );
    }
    assert_eq!(status, "applied", "seed {seed}");
    let words = world.words(7).await;
    let unreported = |text: &&String| !REPORTED.iter().any(|(_, reported)| reported == text);
    let reported: Vec<_> = words.iter().filter(|text| !unreported(text)).collect();
    assert_eq!(reported, REPORTED.map(|(_, text)| text), "seed {seed}");
    let mut others: Vec<_> = words
        .iter()
        .filter(unreported)
        .map(String::as_str)
        .collect();
    others.sort_unstable();
    let posted_only = posted.iter().map(|(_, text)| *text);
    let mut expected: Vec<_> = posted_only
        .filter(|text| unreported(&&(*text).to_owned()))
        .collect();
    expected.sort_unstable();
    assert_eq!(others, expected, "seed {seed}");
    // Every turn, sent again, is known.
    for (second, text) in posted {
        assert_eq!(
            world.say(7, *second, text).await.status,
            200,
            "seed {seed}: {text}"
        );
    }
    assert_eq!(world.words(7).await, words, "seed {seed}");
}

#[tokio::test]
async fn turns_that_race_with_the_event_are_each_stored_once() {
    let posted = [
        (2, "A:Hello"),
        (3, "D:Yes."),
        (5, "D:Hm"),
        (7, "A:Sure?"),
        (9, "D:Yes."),
    ];
    for seed in 0..300 {
        race(seed, &posted).await;
    }
}

#[tokio::test]
async fn a_turn_that_links_the_call_races_with_the_event() {
    for (turn_yields, event_yields) in (0..8).flat_map(|a| (0..8).map(move |b| (a, b))) {
        let world = world_with_calls(&[7]).await;
        let unlink = "UPDATE calls SET conversation_id = NULL, telephony_call_sid = NULL";
        world.database.execute(unlink);
        let (_, message) = spoken("A:Hello");
        let turn = json!({
            "call_sid": sid(7), "conversation_id": "conv_7", "speaker": "agent", "message": message,
            "timestamp": at(2),
        });
        let event = transcription(conversation(7, &REPORTED));
        let (reply, status) = join(
            after(turn_yields, world.post(TURN, &turn)),
            after(event_yields, world.deliver(&event)),
        )
        .await;
        assert!([200, 201].contains(&reply.status), "{}", reply.text);
        // The turn may have applied the event that waited for it.
        assert!(
            ["applied", "already_applied"].contains(&&*status),
            "{status}"
        );
        assert_eq!(world.words(7).await, REPORTED.map(|(_, text)| text));
        assert_eq!(world.outcomes(), ["applied"]);
        assert_eq!(world.row(7, "status"), json!({ "status": "completed" }));
        let again: Value = world.post(TURN, &turn).await.body;
        assert_eq!(again["transcription_id"], reply.body["transcription_id"]);
    }
}

#[tokio::test]
async fn a_late_turn_at_the_very_time_of_the_reported_one_takes_its_place_for_good() {
    let world = world_with_calls(&[7]).await;
    let event = transcription(conversation(7, &[(1, "A:Hello"), (2, "D:Yes.")]));
    world.deliver(&event).await;
    let first = world.say(7, 2, "D:Yes.").await;
    assert_eq!(first.status, 200);
    // Another turn, which ElevenLabs does not have.
    let second = world.say(7, 3, "D:Yes.").await;
    assert_eq!(second.status, 201);
    assert_ne!(
        first.body["transcription_id"],
        second.body["transcription_id"]
    );
    assert_eq!(world.say(7, 2, "D:Yes.").await.body, first.body);
    assert_eq!(world.words(7).await, ["A:Hello", "D:Yes.", "D:Yes."]);
}

#[tokio::test]
async fn thirty_late_turns_at_once_are_all_stored_without_gap() {
    let world = world_with_calls(&[7]).await;
    let event = transcription(conversation(7, &[(1, "A:Hello")]));
    world.deliver(&event).await;
    let texts: Vec<_> = (0..30).map(|n| format!("D:late {n}")).collect();
    let replies = join_all(texts.iter().map(|text| world.say(7, 5, text))).await;
    let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [201; 30]);
    assert_eq!(world.words(7).await.len(), 31);
}
