//! Texts, bytes and JSON of which several properties are tried.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::{Index, select};
use proptest::{char, prop_oneof};
use serde_json::{Map, Value};

use crate::support::world::World;

/// Any character, the troublesome ones more often.
pub fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        3 => char::any(),
        3 => char::range(' ', '~'),
        1 => select(vec!['\0', '\u{1}', '\u{7f}', '\u{85}', '\u{a0}', '\u{2028}', '\u{fffd}', '\u{feff}', '😀', 'é', '"', '\\', '\'', '%', '_', '\n', '\t']),
    ]
}

/// Any text.
pub fn text() -> impl Strategy<Value = String> {
    vec(character(), 0..24).prop_map(|characters| characters.into_iter().collect())
}

/// A text with something other than white space in it.
pub fn words() -> impl Strategy<Value = String> {
    (text(), "[!-~]", text()).prop_map(|(before, word, after)| before + &word + &after)
}

/// A text with some characters changed, added or taken away.
pub fn damaged(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let change = (any::<Index>(), 0_u8..3, character());
    (text, vec(change, 1..4)).prop_map(|(text, changes)| {
        let mut characters: Vec<char> = text.chars().collect();
        for (place, kind, character) in changes {
            let at = place.index(characters.len() + 1);
            match kind {
                0 => characters.insert(at, character),
                _ if at == characters.len() => {}
                1 => characters[at] = character,
                _ => {
                    characters.remove(at);
                }
            }
        }
        characters.into_iter().collect()
    })
}

/// Bytes that are shown as text.
#[derive(Clone)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Any bytes: noise, and texts with a byte that may be none.
pub fn bytes(text: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = Bytes> {
    let hurt = (text, any::<Index>(), any::<u8>()).prop_map(|(text, place, byte)| {
        let mut bytes = text.into_bytes();
        bytes.insert(place.index(bytes.len() + 1), byte);
        bytes
    });
    prop_oneof![vec(any::<u8>(), 0..64), hurt].prop_map(Bytes)
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3_i64..100).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(vec![
            0.0,
            -0.0,
            1.5,
            1e21,
            1e300,
            -1e300,
            f64::MAX,
            f64::MIN_POSITIVE,
            9_007_199_254_740_993.0
        ])
        .prop_map(Value::from),
    ]
}

/// A value that is no list and no object.
pub fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from),
    ]
}

/// Any value; its members have these names more often than others.
pub fn value(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let name = prop_oneof![3 => select(names).prop_map(str::to_owned), 1 => text()];
    scalar().prop_recursive(5, 40, 5, move |inner| {
        let members = vec((name.clone(), inner.clone()), 0..5);
        prop_oneof![
            vec(inner, 0..5).prop_map(Value::from),
            members.prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// Changes to a value, each at a place that is looked for in the value itself.
pub fn changes(
    names: &'static [&'static str],
    most: usize,
) -> impl Strategy<Value = Vec<(Index, Change)>> {
    let change = prop_oneof![
        3 => value(names).prop_map(Change::Replace),
        1 => Just(Change::Remove),
        1 => (text(), value(names)).prop_map(|(name, value)| Change::Add(name, value)),
    ];
    vec((any::<Index>(), change), 0..=most)
}

/// One change to a value.
#[derive(Debug, Clone)]
pub enum Change {
    Replace(Value),
    Remove,
    Add(String, Value),
}

/// The pointers of all values within a value, its own first.
pub fn places(value: &Value) -> Vec<String> {
    fn collect(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    collect(member, &format!("{at}/{name}"), found);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    collect(item, &format!("{at}/{index}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(value, "", &mut found);
    found
}

/// The value after these changes.
pub fn changed(mut value: Value, changes: Vec<(Index, Change)>) -> Value {
    for (place, change) in changes {
        let places = places(&value);
        let place = &places[place.index(places.len())];
        let Some(target) = value.pointer_mut(place) else {
            continue;
        };
        match change {
            Change::Replace(other) => *target = other,
            Change::Remove => *target = Value::Null,
            Change::Add(name, other) => match target {
                Value::Object(members) => drop(members.insert(name, other)),
                Value::Array(items) => items.push(other),
                _ => {}
            },
        }
    }
    value
}

/// The number that a query counts.
pub fn count(world: &World, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    world.database.value(&sql).as_i64().unwrap()
}
