//! What a turn costs that comes after ElevenLabs' transcript: no more in a long conversation than in a short one, however
//! early it says it was said, and however many of them come. None is lost.

use serde_json::{Value, json};

use crate::support::events::{STARTED, at, conversation, transcription, world_with_calls};
use crate::support::world::World;

/// Driver 7's call, settled with so many turns, ten seconds apart from the hundredth on.
async fn settled(turns: i64) -> (World, Value) {
    let texts: Vec<_> = (0..turns)
        .map(|n| (100 + 10 * n, format!("A:turn {n}")))
        .collect();
    let turns: Vec<_> = texts
        .iter()
        .map(|(second, text)| (*second, text.as_str()))
        .collect();
    let world = world_with_calls(&[7]).await;
    let event = transcription(conversation(7, &turns));
    assert_eq!(world.deliver(&event).await, "applied");
    (world, event)
}

/// Posts an early turn, and returns what that wrote.
async fn early(world: &World, second: i64, text: &str) -> u64 {
    let reply = world.say(7, second, text).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let line = world.lines("request").pop().unwrap();
    line["db_rows_written"].as_u64().unwrap()
}

#[tokio::test]
async fn an_early_turn_costs_no_more_in_a_long_conversation() {
    for (length, most) in [(40, 90), (400, 110), (4_000, 110)] {
        let (world, _) = settled(length).await;
        let written = early(&world, 1, "D:early").await;
        assert!(written <= most, "{length} turns: {written} rows written");
        // As early as it may stand, and every other turn where it stood.
        let mut words = world.words(7).await;
        let place = usize::try_from(length).unwrap().saturating_sub(50);
        assert_eq!(words.remove(place), "D:early");
        let expected: Vec<_> = (0..length).map(|n| format!("A:turn {n}")).collect();
        assert!(words == expected, "{length} turns");
    }
}

#[tokio::test]
async fn a_flood_of_early_turns_costs_little_each_and_loses_none() {
    let (world, mut event) = settled(60).await;
    let mut written = Vec::new();
    for n in 0..150 {
        written.push(early(&world, 99 - n % 90, &format!("D:flood {n}")).await);
    }
    assert!(
        written[..100].iter().all(|rows| *rows <= 110),
        "{written:?}"
    );
    assert!(written[100..].iter().all(|rows| *rows <= 3), "{written:?}");
    // Each is stored once, in gapless numbers, and ElevenLabs' own stand in their order.
    let words = world.words(7).await;
    assert_eq!(words.len(), 210);
    let (flood, own): (Vec<_>, Vec<_>) = words.into_iter().partition(|text| text.starts_with("D:"));
    assert!(own.into_iter().eq((0..60).map(|n| format!("A:turn {n}"))));
    assert!((0..150).all(|n| flood.contains(&format!("D:flood {n}"))));
    // Beyond the hundredth they stand at the end, in the order in which they came.
    let last = flood.iter().skip(100).cloned();
    assert!(last.eq((100..150).map(|n| format!("D:flood {n}"))));
    // A repeat is known wherever it stands, and writes nothing.
    for n in [0, 60, 99, 100, 149] {
        let reply = world.say(7, 99 - n % 90, &format!("D:flood {n}")).await;
        let line = world.lines("request").pop().unwrap();
        assert_eq!((reply.status, &line["db_rows_written"]), (200, &json!(0)));
    }
    // A transcript that comes again has its own turns, and all of them are still there.
    event["event_timestamp"] = json!(STARTED + 5_000);
    event["data"]["transcript"][59]["message"] = json!("another end");
    assert_eq!(world.deliver(&event).await, "applied");
    let turns = world.turns(7).await;
    assert_eq!(turns.len(), 210);
    let mut own = turns.iter().filter(|turn| turn["speaker"] == "agent");
    assert_eq!(own.next_back().unwrap()["message"], "another end");
}

#[tokio::test]
async fn a_turn_that_is_only_a_little_late_still_takes_its_place_by_time() {
    let (world, _) = settled(200).await;
    for (second, place) in [(2_089, 200), (2_091, 202), (1_651, 157), (105, 154)] {
        let text = format!("D:said at {second}");
        early(&world, second, &text).await;
        let turns = world.turns(7).await;
        let found = turns
            .iter()
            .find(|turn| turn["timestamp"] == at(second))
            .unwrap();
        assert_eq!(found["sequence_number"], place, "{second}");
    }
}
