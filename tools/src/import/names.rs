//! Names for calls that have no `call_sid`, by the rule of migration 0002: `EL_{driver_id}_{created_at in seconds}`,
//! `UNKNOWN` for an unknown driver. The call with the lowest id has the bare name, the others have `_{id}` behind it.
//! A name that is taken is not given: then `_{id}`, `_{id}_2`, `_{id}_3` … is tried.

use std::collections::{HashMap, HashSet};

use super::older::Call;

/// What is known of a name on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRecord {
    /// No call has it.
    Free,
    /// The very call has it that a name is sought for.
    SameCall,
    /// Another call has it.
    OtherCall,
    /// The database was not asked about it yet.
    NotAsked,
}

/// The names to ask the database about before names can be given: the first two that each unnamed call may get.
pub fn likely(calls: &[Call]) -> Vec<String> {
    let unnamed = calls.iter().filter(|call| call.call_sid.is_none());
    unnamed
        .flat_map(|call| [base(call), format!("{}_{}", base(call), call.id)])
        .collect()
}

/// The name of each call, in the order of the calls. `recorded` is the name of a call that is on record under its
/// conversation; `on_record` tells about any name.
///
/// # Errors
/// Names that the database has to be asked about first.
pub fn assign(
    calls: &[Call],
    recorded: impl Fn(&Call) -> Option<String>,
    on_record: impl Fn(&str, &Call) -> OnRecord,
) -> Result<Vec<String>, Vec<String>> {
    let mut taken: HashSet<String> = calls
        .iter()
        .filter_map(|call| call.call_sid.clone())
        .collect();
    let mut by_id: Vec<_> = calls
        .iter()
        .enumerate()
        .filter(|(_, call)| call.call_sid.is_none())
        .collect();
    by_id.sort_by_key(|(_, call)| call.id);

    let mut given = HashMap::new();
    let mut bases = HashSet::new();
    let mut ask = Vec::new();
    for (at, call) in by_id {
        let base = base(call);
        let first = bases.insert(base.clone());
        if let Some(name) = recorded(call) {
            taken.insert(name.clone());
            given.insert(at, name);
            continue;
        }
        let own = format!("{base}_{}", call.id);
        let further = (2..).map(|number| format!("{own}_{number}"));
        let candidates = first
            .then(|| base.clone())
            .into_iter()
            .chain([own.clone()])
            .chain(further);
        for candidate in candidates {
            if taken.contains(&candidate) {
                continue;
            }
            match on_record(&candidate, call) {
                OnRecord::OtherCall => continue,
                OnRecord::NotAsked => ask.push(candidate),
                OnRecord::Free | OnRecord::SameCall => {
                    taken.insert(candidate.clone());
                    given.insert(at, candidate);
                }
            }
            break;
        }
    }
    if !ask.is_empty() {
        return Err(ask);
    }
    let name = |(at, call): (usize, &Call)| call.call_sid.clone().or_else(|| given.remove(&at));
    Ok(calls.iter().enumerate().filter_map(name).collect())
}

fn base(call: &Call) -> String {
    let driver = call
        .driver_id
        .map_or_else(|| "UNKNOWN".to_owned(), |driver| driver.to_string());
    format!("EL_{driver}_{}", call.created.seconds())
}

#[cfg(test)]
mod tests {
    use super::{OnRecord, assign};
    use crate::import::older::Call;
    use crate::import::time::Time;

    fn call(id: i64, call_sid: Option<&str>) -> Call {
        let time = Time::parse("2025-11-21 10:30:00.9").unwrap();
        Call {
            line: 0,
            id,
            conversation_id: None,
            driver_id: Some(7),
            start: time,
            end: None,
            status: "failed",
            created: time,
            updated: time,
            call_sid: call_sid.map(str::to_owned),
        }
    }

    fn names(calls: &[Call], on_record: impl Fn(&str, &Call) -> OnRecord) -> Vec<String> {
        assign(calls, |_| None, on_record).unwrap()
    }

    #[test]
    fn the_lowest_id_has_the_bare_name_wherever_it_stands() {
        let calls = [call(3, None), call(1, None), call(2, None)];
        let expected = ["EL_7_1763721000_3", "EL_7_1763721000", "EL_7_1763721000_2"];
        assert_eq!(names(&calls, |_, _| OnRecord::Free), expected);
        let unknown = Call {
            driver_id: None,
            ..call(1, None)
        };
        assert_eq!(
            names(&[unknown], |_, _| OnRecord::Free),
            ["EL_UNKNOWN_1763721000"]
        );
    }

    #[test]
    fn a_taken_name_is_not_given() {
        let calls = [
            call(1, None),
            call(2, None),
            call(3, None),
            call(4, Some("EL_7_1763721000_2")),
            call(5, Some("EL_7_1763721000")),
        ];
        let on_record = |name: &str, _: &Call| match name {
            "EL_7_1763721000_1" | "EL_7_1763721000_1_2" => OnRecord::OtherCall,
            _ => OnRecord::Free,
        };
        let named = names(&calls, on_record);
        assert_eq!(
            named[..3],
            [
                "EL_7_1763721000_1_3",
                "EL_7_1763721000_2_2",
                "EL_7_1763721000_3"
            ]
        );
        assert_eq!(named[3..], ["EL_7_1763721000_2", "EL_7_1763721000"]);
    }

    #[test]
    fn a_call_that_is_on_record_keeps_its_name() {
        let calls = [call(1, None), call(2, None)];
        let on_record = |name: &str, call: &Call| match (name, call.id) {
            ("EL_7_1763721000", 1) | ("EL_7_1763721000_2", 2) => OnRecord::SameCall,
            _ => OnRecord::OtherCall,
        };
        assert_eq!(
            names(&calls, on_record),
            ["EL_7_1763721000", "EL_7_1763721000_2"]
        );
    }

    #[test]
    fn names_the_database_was_not_asked_about_are_told() {
        let on_record = |name: &str, _: &Call| match name {
            "EL_7_1763721000" | "EL_7_1763721000_1" => OnRecord::OtherCall,
            _ => OnRecord::NotAsked,
        };
        let asked = assign(&[call(1, None)], |_| None, on_record);
        assert_eq!(asked, Err(vec!["EL_7_1763721000_1_2".to_owned()]));
    }
}
