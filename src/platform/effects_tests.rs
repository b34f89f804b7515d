use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};

use super::{ABANDONED_AFTER_MS, Effects, MANY, Outcome, Step, Task, Tasks};

fn text(text: &str) -> Outcome {
    Outcome::Text(text.to_owned())
}

#[test]
fn a_task_asks_waits_and_goes_on_with_the_result() {
    let effects = Effects::default();
    let asking = effects.clone();
    let mut task = Task::new(effects, async move {
        let first = asking.ask("query", &["SELECT 1"]).await.text();
        let second = asking.ask("sleep", &5).await.text();
        format!("{first:?} {second:?}")
    });
    assert_eq!(
        task.step(),
        Step::Waits(r#"[1,"query",["SELECT 1"]]"#.to_owned())
    );
    assert_eq!(task.step(), Step::Waits(String::new()));
    task.answer(1, text("one"), false);
    assert_eq!(task.step(), Step::Waits(r#"[2,"sleep",5]"#.to_owned()));
    task.answer(2, Outcome::Failed("no".to_owned()), false);
    assert_eq!(task.step(), Step::Done(r#"Ok("one") Err("no")"#.to_owned()));
}

#[test]
fn effects_of_one_step_run_together_and_are_answered_in_any_order() {
    let effects = Effects::default();
    let asking = effects.clone();
    let mut task = Task::new(effects, async move {
        let dials = (0..100).map(|dial| {
            let asking = asking.clone();
            async move { (dial, asking.ask("fetch", &dial).await.text()) }
        });
        let mut done: Vec<_> = stream::iter(dials).buffer_unordered(6).collect().await;
        done.sort_unstable();
        format!("{} {:?}", done.len(), done.last())
    });
    let Step::Waits(asked) = task.step() else {
        panic!("done at once");
    };
    assert_eq!(asked.matches("fetch").count(), 6);
    // The newest first: a later one must not wait for an earlier one.
    let mut open: Vec<u32> = (1..=6).collect();
    let mut asked_for = 6;
    loop {
        let id = open.pop().unwrap();
        task.answer(id, text("ok"), false);
        match task.step() {
            Step::Done(done) => {
                assert_eq!(done, r#"100 Some((99, Ok("ok")))"#);
                break;
            }
            Step::Waits(asked) if asked.is_empty() => {}
            Step::Waits(_) => {
                asked_for += 1;
                open.push(asked_for);
            }
        }
    }
    assert_eq!(asked_for, 100);
}

#[test]
fn a_late_result_of_an_effect_that_nobody_waits_for_is_dropped() {
    let effects = Effects::default();
    let asking = effects.clone();
    let mut task = Task::new(effects, async move {
        let slow = asking.ask("fetch", &"slow");
        match select(slow, asking.ask("sleep", &1)).await {
            Either::Left(_) => return "answered".to_owned(),
            Either::Right(_) => {}
        }
        asking.ask("query", &()).await.text().unwrap()
    });
    task.step();
    task.answer(2, text(""), false);
    assert!(matches!(task.step(), Step::Waits(_)));
    task.answer(1, text("late"), false);
    assert_eq!(task.step(), Step::Waits(String::new()));
    task.answer(3, text("done"), false);
    assert_eq!(task.step(), Step::Done("done".to_owned()));
}

#[test]
fn a_sender_that_has_hung_up_stays_gone() {
    let effects = Effects::default();
    let mut task = Task::new(effects.clone(), {
        let asking = effects.clone();
        async move {
            for millis in 0..3 {
                asking.ask("sleep", &millis).await;
            }
            String::new()
        }
    });
    for (id, hung_up, gone) in [(1, false, false), (2, true, true), (3, false, true)] {
        task.step();
        task.answer(id, text(""), hung_up);
        assert_eq!(effects.has_hung_up(), gone);
    }
}

#[test]
fn bytes_are_text_only_in_utf_8() {
    assert_eq!(
        Outcome::Bytes(b"text".to_vec()).text(),
        Ok("text".to_owned())
    );
    assert!(Outcome::Bytes(vec![0xff]).text().is_err());
}

#[test]
fn abandoned_tasks_are_removed_and_living_ones_stay() {
    fn begin(tasks: &mut Tasks, now_ms: i64) -> u32 {
        let number = tasks.reserve(now_ms);
        let task = Task::new(Effects::default(), std::future::pending());
        tasks.put(number, now_ms, task);
        number
    }
    let mut tasks = Tasks::default();
    let old = begin(&mut tasks, 0);
    let living: Vec<u32> = (1..MANY)
        .map(|_| begin(&mut tasks, ABANDONED_AFTER_MS - 1))
        .collect();
    assert_eq!(tasks.tasks.len(), MANY);
    let newest = begin(&mut tasks, ABANDONED_AFTER_MS);
    assert_eq!(tasks.tasks.len(), MANY);
    assert!(tasks.take(old).is_none());
    for number in living.into_iter().chain([newest]) {
        let (begun, task) = tasks.take(number).unwrap();
        tasks.put(number, begun, task);
        assert!(tasks.take(number).is_some());
    }
    assert!(tasks.tasks.is_empty());
}
