//! JSON.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;

use call_ledger::json::{Json, replace_lone_surrogates};

use crate::checks::json::{assert_same, check, check_bytes, check_units};
use crate::escapes::escaped;
use crate::invent::{bytes, damaged, value};
use crate::runner::{Cost, hold};

const NAMES: &[&str] = &["a", "data", "message", "role", "transcript", "b"];

#[test]
fn any_bytes_are_read_as_serde_json_reads_them() {
    let text = || value(NAMES).prop_map(|value| value.to_string());
    let text = prop_oneof![text(), damaged(text())];
    hold(Cost::Parser, &bytes(text), |bytes| check(&bytes.0));
}

#[test]
fn a_value_that_is_printed_and_read_is_the_same() {
    hold(Cost::Parser, &value(NAMES), |value| {
        for text in [
            value.to_string(),
            serde_json::to_string_pretty(&value).unwrap(),
        ] {
            assert_same(&Json::read(text.as_bytes()).unwrap(), &value);
            check(text.as_bytes());
        }
    });
}

#[test]
fn numbers_of_every_spelling() {
    let number = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?";
    let near = "[-+.eE0-9]{1,12}";
    hold(Cost::Parser, &prop_oneof![number, near], |number| {
        check_bytes(number.as_bytes());
        check_bytes(format!("[{number}]").as_bytes());
    });
}

#[test]
fn a_text_is_what_its_escapes_mean_and_half_a_pair_is_replaced() {
    hold(Cost::Parser, &escaped(), |(json, text)| {
        let mut body = json.into_bytes();
        replace_lone_surrogates(&mut body);
        assert_eq!(Json::read(&body).unwrap().as_text(), Some(&*text));
        check(&body);
    });
    hold(Cost::Parser, &vec(any::<u16>(), 0..12), |units| {
        check_units(&units)
    });
}

#[test]
fn a_member_that_comes_twice_is_the_last_one() {
    let twice = (value(NAMES), value(NAMES), select(NAMES), Just(()));
    hold(Cost::Parser, &twice, |(one, other, name, ())| {
        let json = format!("{{\"{name}\":{one},\"x\":0,\"{name}\":{other}}}");
        check(json.as_bytes());
    });
}

#[test]
fn no_nesting_is_too_deep_to_be_refused() {
    let depth = prop_oneof![0_usize..300, Just(100_000)];
    let open = select(vec![
        ("[", "]"),
        ("{\"a\":", "}"),
        ("{\"x\":", "}"),
        ("[{\"a\":", "}]"),
    ]);
    hold(
        Cost::World,
        &(depth, open, any::<bool>()),
        |(depth, (open, close), closed)| {
            let end = if closed {
                close.repeat(depth)
            } else {
                String::new()
            };
            check(format!("{}1{end}", open.repeat(depth)).as_bytes());
        },
    );
}
