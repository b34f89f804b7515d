//! Telephone numbers.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{Index, select};

use crate::checks::phone::{BETWEEN, check_text};
use crate::invent::{character, damaged, text};
use crate::runner::{Cost, hold};

/// Digits with or without a plus, of any length around those that are right.
pub fn digits() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[0-9]{10}",
        3 => "1[0-9]{10}",
        3 => "\\+[1-9][0-9]{7,14}",
        2 => "\\+?[0-9]{0,18}",
    ]
}

/// The same with what people write between digits.
pub fn written() -> impl Strategy<Value = (String, String)> {
    let between = vec((any::<Index>(), select(BETWEEN.to_vec())), 0..8);
    (digits(), between).prop_map(|(digits, between)| {
        let mut characters: Vec<char> = digits.chars().collect();
        let plus = usize::from(digits.starts_with('+'));
        for (place, character) in between {
            let at = plus + place.index(characters.len() + 1 - plus);
            characters.insert(at, character);
        }
        (digits, characters.into_iter().collect())
    })
}

#[test]
fn any_text_is_a_number_or_refused() {
    hold(
        Cost::Parser,
        &prop_oneof![text(), digits(), damaged(digits())],
        |text| {
            check_text(&text);
        },
    );
}

#[test]
fn what_stands_between_digits_changes_nothing() {
    let blanks = select(vec!["", " ", "\t", "\u{a0}", "\r\n"]);
    hold(
        Cost::Parser,
        &(written(), blanks),
        |((digits, written), blank)| {
            let number = check_text(&format!("{blank}{written}{blank}"));
            // A bracket may only turn a number with a plus into none.
            if !(number.is_none() && written.starts_with('+') && written.contains('(')) {
                assert_eq!(number, check_text(&digits));
            }
            if let Some(number) = number {
                let count = number.len() - 1;
                assert!(
                    number.starts_with('+') && (8..=15).contains(&count),
                    "{number}"
                );
            }
        },
    );
}

#[test]
fn one_strange_character_spoils_a_number() {
    let strange = character().prop_filter("no stranger", |character| {
        !BETWEEN.contains(character) && !character.is_ascii_digit() && !character.is_whitespace()
    });
    let strange = prop_oneof![strange, Just('+'), Just('٣'), Just('４')];
    // A plus in front of ten digits makes another number.
    let number = "1[0-9]{10}";
    hold(
        Cost::Parser,
        &(number, any::<Index>(), strange),
        |(mut number, place, strange)| {
            number.insert(1 + place.index(number.len()), strange);
            assert_eq!(check_text(&number), None);
        },
    );
}
