//! Plays one conversation from the ringing phone to the last event.

use crate::behaviour::{Answer, Event, Story, Turns};
use crate::conversation::{Conversation, Status};
use crate::deliver::{Parcel, attempt, deliver};
use crate::events;
use crate::world::World;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Plays conversation `id`.
///
/// `answer_written` resolves when the outbound call's answer has left (or never will). `lead_over` is dropped when what has to
/// happen before that answer has happened; until then the request waits, if its number says so.
pub(crate) async fn play(
    world: Arc<World>,
    id: String,
    answer_written: oneshot::Receiver<()>,
    lead_over: oneshot::Sender<()>,
) {
    let Some(conversation) = world.conversation(&id) else {
        return;
    };
    let behaviour = conversation.behaviour;
    let mut lead_over = Some(lead_over);
    if !behaviour.answer.runs_ahead() {
        // 1. The usual order: the caller has its answer, and a moment to store it, before anybody speaks.
        let _ = answer_written.await;
        sleep(world.config.grace).await;
    }
    // 2. What is said.
    if conversation.was_answered() {
        let until_first_turn = if behaviour.answer == Answer::AfterEvent {
            None
        } else {
            lead_over.take()
        };
        post_turns(&world, &conversation, until_first_turn).await;
        if conversation.story == Story::NeverEnds {
            return;
        }
        // 3. The service looks the call over before it tells.
        world.change(&id, |conversation| conversation.status = Status::Processing);
        sleep(world.config.pace).await;
    }
    end(&world, &id);
    // 4. ElevenLabs' own word on it.
    if world.config.post_call_events {
        send_events(&world, &conversation).await;
    }
    drop(lead_over);
    // 5. Turns that were overtaken by the event.
    if behaviour.turns == Turns::LastTwoAfterEvent {
        let kept_back = conversation.turns.len().saturating_sub(2);
        for place in kept_back..conversation.turns.len() {
            sleep(world.config.pace).await;
            post_turn(&world, &conversation, place).await;
        }
    }
}

/// Ends a conversation: everything is said, and its status is final.
pub(crate) fn end(world: &World, id: &str) {
    world.change(id, |conversation| {
        conversation.spoken = conversation.turns.len();
        conversation.status = conversation.final_status();
    });
}

fn speak(world: &World, conversation: &Conversation, place: usize) {
    world.change(&conversation.id, |conversation| {
        conversation.status = Status::InProgress;
        conversation.spoken = conversation.spoken.max(place + 1);
    });
}

async fn post_turn(world: &World, conversation: &Conversation, place: usize) {
    if let Some(parcel) = Parcel::turn(conversation, place) {
        deliver(world, &parcel, 1).await;
    }
}

async fn post_turns(
    world: &Arc<World>,
    conversation: &Conversation,
    mut lead_over: Option<oneshot::Sender<()>>,
) {
    let turns = conversation.behaviour.turns;
    let count = conversation.turns.len();
    if turns == Turns::AtOnce {
        speak(world, conversation, count.saturating_sub(1));
        post_together(world, conversation, (0..count).collect()).await;
        return;
    }
    for place in 0..count {
        speak(world, conversation, place);
        match turns {
            Turns::Lost => continue,
            Turns::HalfLost if place % 2 == 1 => {}
            Turns::LastTwoAfterEvent if place + 2 >= count => {}
            Turns::ThreeTimes => post_together(world, conversation, vec![place; 3]).await,
            _ => match lead_over.take() {
                Some(lead_over) if conversation.behaviour.answer == Answer::AfterFirstAttempt => {
                    post_ahead(world, conversation, place, lead_over).await;
                }
                // Dropping the signal afterwards lets the request be answered.
                lead_over => {
                    post_turn(world, conversation, place).await;
                    drop(lead_over);
                }
            },
        }
        if place + 1 < count {
            sleep(world.config.pace).await;
        }
    }
}

/// Tries a turn once, lets the request be answered, and goes on trying.
async fn post_ahead(
    world: &World,
    conversation: &Conversation,
    place: usize,
    lead_over: oneshot::Sender<()>,
) {
    let Some(parcel) = Parcel::turn(conversation, place) else {
        return;
    };
    let first = attempt(world, &parcel, 1).await;
    drop(lead_over);
    if first.status != Some(201) {
        sleep(world.config.retry.first_pause).await;
        deliver(world, &parcel, 2).await;
    }
}

async fn post_together(world: &Arc<World>, conversation: &Conversation, places: Vec<usize>) {
    let mut posts = JoinSet::new();
    for parcel in places
        .into_iter()
        .filter_map(|place| Parcel::turn(conversation, place))
    {
        let world = Arc::clone(world);
        posts.spawn(async move { deliver(&world, &parcel, 1).await });
    }
    while posts.join_next().await.is_some() {}
}

async fn send_events(world: &World, conversation: &Conversation) {
    let plan = conversation.behaviour.event;
    let Some(parcel) = world
        .conversation(&conversation.id)
        .map(|ended| events::parcel(&ended))
    else {
        return;
    };
    match plan {
        Event::Never => {}
        Event::Once => {
            deliver(world, &parcel, 1).await;
        }
        Event::Late => {
            sleep(world.config.late).await;
            deliver(world, &parcel, 1).await;
        }
        Event::Twice => {
            deliver(world, &parcel, 1).await;
            deliver(world, &parcel, 1).await;
        }
        Event::WrongSignatureFirst => {
            let wrong = Parcel {
                wrongly_signed: true,
                ..parcel.clone()
            };
            deliver(world, &wrong, 1).await;
            deliver(world, &parcel, 1).await;
        }
        Event::AmongOthers => {
            deliver(world, &events::unknown(conversation), 1).await;
            deliver(world, &parcel, 1).await;
            deliver(world, &events::audio(conversation), 1).await;
        }
    }
}
