//! ElevenLabs' transcript: the stored one becomes equal to it, and what was stored stays itself.

use std::collections::HashMap;

use call_ledger::model::nth_turn;
use serde_json::{Value, json};

use crate::support::events::{STARTED, at, conversation, transcription, world_with_calls};
use crate::support::world::World;

/// Driver 7's call where these turns were posted, and then the event with those came.
async fn settled(posted: &[(i64, &str)], reported: &[(i64, &str)]) -> World {
    let world = world_with_calls(&[7]).await;
    world.say_all(7, posted).await;
    let event = transcription(conversation(7, reported));
    assert_eq!(world.deliver(&event).await, "applied");
    world
}

fn texts(turns: &[(i64, &str)]) -> Vec<String> {
    turns.iter().map(|(_, text)| (*text).to_owned()).collect()
}

/// Which turn of the first call this id is, in the order in which they came to be.
pub fn nth(id: &Value) -> i64 {
    nth_turn(1, id.as_i64().unwrap()).unwrap()
}

/// The ids of the turns in order.
async fn ids(world: &World) -> Vec<i64> {
    let turns = world.turns(7).await;
    let id = |turn: &Value| nth(&turn["transcription_id"]);
    turns.iter().map(id).collect()
}

async fn times(world: &World) -> Vec<String> {
    let turns = world.turns(7).await;
    let time = |turn: &Value| turn["timestamp"].as_str().unwrap().to_owned();
    turns.iter().map(time).collect()
}

#[tokio::test]
async fn what_was_posted_as_it_is_reported_is_not_touched() {
    let turns = [(1, "A:Hello"), (4, "D:Hi"), (6, "A:Bye")];
    let world = settled(&turns, &turns).await;
    assert_eq!(world.words(7).await, texts(&turns));
    assert_eq!(ids(&world).await, [1, 2, 3]);
    assert_eq!(times(&world).await, [at(1), at(4), at(6)]);
}

#[tokio::test]
async fn missing_turns_come_in_at_the_conversations_start_plus_their_offset() {
    let reported = [
        (0, "A:Hello"),
        (4, "D:Hi"),
        (8, "A:Bye"),
        (61, "D:Still there?"),
    ];
    let world = settled(&[(1, "A:Hello"), (9, "A:Bye")], &reported).await;
    assert_eq!(world.words(7).await, texts(&reported));
    // A stored turn keeps its id and the time at which it was posted to have been said.
    assert_eq!(ids(&world).await, [1, 3, 2, 4]);
    assert_eq!(times(&world).await, [at(1), at(4), at(9), at(61)]);
}

#[tokio::test]
async fn turns_that_came_in_another_order_are_put_in_order_and_keep_their_ids() {
    let posted = [(6, "A:Bye"), (1, "A:Hello"), (4, "D:Hi")];
    let reported = [(1, "A:Hello"), (4, "D:Hi"), (6, "A:Bye")];
    let world = settled(&posted, &reported).await;
    assert_eq!(world.words(7).await, texts(&reported));
    assert_eq!(ids(&world).await, [2, 3, 1]);
    assert_eq!(times(&world).await, [at(1), at(4), at(6)]);
}

#[tokio::test]
async fn a_repeated_sentence_is_paired_in_order_with_the_closest() {
    let reported = [(2, "D:Yes."), (5, "A:Sure?"), (8, "D:Yes."), (20, "D:Yes.")];
    let world = settled(&[(5, "A:Sure?"), (9, "D:Yes.")], &reported).await;
    assert_eq!(world.words(7).await, texts(&reported));
    assert_eq!(ids(&world).await, [3, 1, 2, 4]);
    assert_eq!(times(&world).await, [at(2), at(5), at(9), at(20)]);

    let posted = [(19, "D:Yes."), (3, "D:Yes."), (9, "D:Yes.")];
    let world = settled(&posted, &reported).await;
    assert_eq!(ids(&world).await, [2, 4, 3, 1]);
}

#[tokio::test]
async fn the_same_words_of_the_other_speaker_are_another_turn() {
    let reported = [(1, "D:Hello"), (2, "A:Hello")];
    let world = settled(&[(1, "A:Hello")], &reported).await;
    assert_eq!(world.words(7).await, texts(&reported));
    assert_eq!(ids(&world).await, [2, 1]);
}

#[tokio::test]
async fn white_space_makes_no_other_turn_and_elevenlabs_spelling_is_stored() {
    let posted = [(1, "A: Hello\n  Ada "), (4, "D:Hi\u{a0}there")];
    let reported = [(1, "A:Hello Ada"), (4, "D: Hi  there\r\n")];
    let world = settled(&posted, &reported).await;
    assert_eq!(world.words(7).await, texts(&reported));
    assert_eq!(ids(&world).await, [1, 2]);
    // As it was posted it is still known.
    let again = world.say(7, 1, "A: Hello\n  Ada ").await;
    assert_eq!(
        (again.status, nth(&again.body["transcription_id"])),
        (200, 1)
    );
}

#[tokio::test]
async fn a_turn_in_which_the_agent_was_interrupted_is_one_turn_as_far_as_it_came() {
    let meant = "A:You drove twelve hours without a break.";
    for (field, value) in [
        (
            "original_message",
            json!("You drove twelve hours without a break."),
        ),
        ("interrupted", json!(true)),
    ] {
        let world = world_with_calls(&[7]).await;
        world.say_all(7, &[(1, meant), (3, "D:Wait")]).await;
        let mut data = conversation(7, &[(1, "A:You drove twelve..."), (3, "D:Wait")]);
        data["transcript"][0][field] = value;
        world.deliver(&transcription(data)).await;
        assert_eq!(world.words(7).await, ["A:You drove twelve...", "D:Wait"]);
        assert_eq!(ids(&world).await, [1, 2]);
        let again = world.say(7, 1, meant).await;
        assert_eq!(
            (again.status, nth(&again.body["transcription_id"])),
            (200, 1)
        );
        assert_eq!(ids(&world).await, [1, 2]);
    }
}

#[tokio::test]
async fn a_turn_elevenlabs_does_not_have_is_kept_in_its_place_by_time() {
    let posted = [
        (1, "A:Hello"),
        (2, "D:(cough)"),
        (4, "D:Hi"),
        (99, "D:Late"),
    ];
    let reported = [(1, "A:Hello"), (4, "D:Hi"), (6, "A:Bye")];
    let world = settled(&posted, &reported).await;
    let expected = ["A:Hello", "D:(cough)", "D:Hi", "A:Bye", "D:Late"];
    assert_eq!(world.words(7).await, expected);
    assert_eq!(ids(&world).await, [1, 2, 3, 5, 4]);
    let again = world.say(7, 2, "D:(cough)").await;
    assert_eq!(
        (again.status, nth(&again.body["transcription_id"])),
        (200, 2)
    );
}

#[tokio::test]
async fn an_empty_transcript_keeps_what_was_posted() {
    let world = settled(&[(1, "A:Hello")], &[]).await;
    assert_eq!(world.words(7).await, ["A:Hello"]);
}

/// The turns' rows, all columns.
fn rows(world: &World) -> Vec<Value> {
    let sql = "SELECT * FROM call_transcriptions ORDER BY id";
    world.database.query(sql)
}

#[tokio::test]
async fn a_transcript_that_comes_again_writes_no_turn() {
    let posted = [
        (9, "A:Bye"),
        (1, "A:Hello "),
        (2, "D:(cough)"),
        (5, "D:Yes."),
    ];
    let mut data = conversation(
        7,
        &[
            (1, "A:Hello"),
            (5, "D:Yes."),
            (6, "D:Yes."),
            (8, "A:By"),
            (12, "D:Bye"),
        ],
    );
    data["transcript"][3]["interrupted"] = json!(true);
    let world = world_with_calls(&[7]).await;
    world.say_all(7, &posted).await;
    let mut event = transcription(data);
    world.deliver(&event).await;
    let before = rows(&world);
    assert_eq!(before.len(), 6);
    for later in 1..=3 {
        world.runtime.advance(60_000);
        event["event_timestamp"] = json!(STARTED + 90 + later);
        assert_eq!(world.deliver(&event).await, "applied");
        assert_eq!(rows(&world), before);
        // The event's own row twice, and the call's twice.
        let line = world.lines("request").pop().unwrap();
        assert_eq!(line["db_rows_written"], 4);
    }
}

#[tokio::test]
async fn a_transcript_that_comes_again_in_other_words_replaces_them() {
    let world = settled(&[(1, "A:Hello")], &[(1, "A:Hello"), (4, "D:Hy")]).await;
    let mut event = transcription(conversation(
        7,
        &[(1, "A:Hello"), (4, "D:Hi"), (6, "A:Bye")],
    ));
    event["event_timestamp"] = json!(STARTED + 120);
    assert_eq!(world.deliver(&event).await, "applied");
    let words = world.words(7).await;
    assert_eq!(words, ["A:Hello", "D:Hi", "A:Bye"]);
    assert_eq!(ids(&world).await[0], 1);
}

/// A small linear congruential generator: the same mixtures on every run.
pub fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    }
}

#[tokio::test]
async fn whatever_was_posted_the_reported_turns_are_elevenlabs_own_and_no_posted_one_is_lost() {
    let texts = [
        "A:Yes.",
        "D:Yes.",
        "A:Hello  there",
        "A:Hello there",
        "D:No",
        "A:Hel",
    ];
    for seed in 0..150 {
        let mut next = numbers(seed);
        let mut mixture = |most: usize| -> Vec<(i64, &str)> {
            let length = next(most);
            let mut turn = || (i64::try_from(next(9)).unwrap(), texts[next(texts.len())]);
            (0..length).map(|_| turn()).collect()
        };
        let (posted, mut reported) = (mixture(9), mixture(9));
        reported.sort_by_key(|(second, _)| *second);
        let world = world_with_calls(&[7]).await;
        let mut saved: HashMap<i64, i64> = HashMap::new();
        for (second, text) in &posted {
            let reply = world.say(7, *second, text).await;
            saved.insert(reply.body["transcription_id"].as_i64().unwrap(), *second);
        }
        world
            .deliver(&transcription(conversation(7, &reported)))
            .await;
        let turns = world.turns(7).await;
        for (id, second) in &saved {
            let found = turns.iter().find(|turn| turn["transcription_id"] == *id);
            assert_eq!(found.unwrap()["timestamp"], at(*second), "seed {seed}");
        }
        let unreported = world.database.value(
            "SELECT json_group_array(id) FROM call_transcriptions WHERE origin = 'unreported'",
        );
        let unreported: Vec<i64> = serde_json::from_str(unreported.as_str().unwrap()).unwrap();
        let words = world.words(7).await;
        let known = turns.iter().zip(words);
        let known = known
            .filter(|(turn, _)| !unreported.contains(&turn["transcription_id"].as_i64().unwrap()));
        let known: Vec<_> = known.map(|(_, words)| words).collect();
        let reported: Vec<_> = reported.iter().map(|(_, text)| *text).collect();
        assert_eq!(known, reported, "seed {seed}");
    }
}

#[tokio::test]
async fn words_that_elevenlabs_took_back_are_gone() {
    let world = world_with_calls(&[7]).await;
    world.say_all(7, &[(9, "D:Posted")]).await;
    let event = transcription(conversation(7, &[(1, "A:Hello"), (4, "D:Hy")]));
    world.deliver(&event).await;
    let mut event = transcription(conversation(7, &[(1, "A:Hello"), (4, "D:Hi")]));
    event["event_timestamp"] = json!(STARTED + 200);
    world.deliver(&event).await;
    assert_eq!(world.words(7).await, ["A:Hello", "D:Hi", "D:Posted"]);
}
