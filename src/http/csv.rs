//! The list of calls as CSV (RFC 4180), protected against formula injection.
//!
//! Every cell is quoted. Without quotes, a spreadsheet whose separator is `;` would split a text at
//! that character and run the second half as a formula.

use crate::model::Call;

const HEADING: [&str; 12] = [
    "id",
    "call_sid",
    "conversation_id",
    "driver_id",
    "status",
    "failure_reason",
    "call_start_time",
    "call_end_time",
    "summary",
    "created_at",
    "updated_at",
    "turn_count",
];

/// A heading row, then one row for each call.
pub fn table(calls: &[Call]) -> String {
    let mut csv = String::new();
    push_row(&mut csv, HEADING);
    for call in calls {
        let end_time = call.call_end_time.as_ref().map(ToString::to_string);
        let driver_id = call.driver_id.map(|id| id.to_string());
        push_row(
            &mut csv,
            [
                &call.id.to_string(),
                call.call_sid.as_str(),
                call.conversation_id.as_deref().unwrap_or_default(),
                driver_id.as_deref().unwrap_or_default(),
                call.status.as_str(),
                call.failure_reason.as_deref().unwrap_or_default(),
                &call.call_start_time.to_string(),
                end_time.as_deref().unwrap_or_default(),
                call.summary.as_deref().unwrap_or_default(),
                &call.created_at.to_string(),
                &call.updated_at.to_string(),
                &call.turn_count.to_string(),
            ],
        );
    }
    csv
}

fn push_row(csv: &mut String, cells: [&str; HEADING.len()]) {
    for (index, text) in cells.into_iter().enumerate() {
        if index > 0 {
            csv.push(',');
        }
        csv.push('"');
        push_text(csv, text);
        csv.push('"');
    }
    csv.push_str("\r\n");
}

/// Writes a text between the quotes of its cell.
///
/// It puts an apostrophe before a character that begins a formula. The words of a driver or of
/// ElevenLabs must not run in the spreadsheet of the person who opens the file. A formula can begin
/// a cell. It can also follow a `;`, a tab or a line end, because some spreadsheets ignore the
/// quotes: one that splits at `;` reads `"1","EL_1",` first, and takes later quotes literally.
fn push_text(csv: &mut String, text: &str) {
    if text.starts_with(['\t', '\r', '\n']) {
        csv.push('\'');
    }
    // True where a spreadsheet could see the beginning of a cell.
    let mut begins = true;
    for character in text.chars() {
        if begins && matches!(character, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') {
            csv.push('\'');
        }
        let separates = matches!(character, ';' | '\t' | '\r' | '\n');
        begins = separates || begins && character.is_whitespace();
        if character == '"' {
            csv.push('"');
        }
        csv.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::push_text;

    #[test]
    fn quotes_are_doubled_and_a_formula_gets_an_apostrophe() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("a,b;c", "a,b;c"),
            ("say \"hi\"\nnow", "say \"\"hi\"\"\nnow"),
            ("=1+1", "'=1+1"),
            ("@cmd,x", "'@cmd,x"),
            ("-5", "'-5"),
            (" =1", " '=1"),
            ("\n=1", "'\n'=1"),
            ("\rx", "'\rx"),
            ("\tx", "'\tx"),
            ("＝1", "'＝1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠SUM", "'＠SUM"),
            ("x;=1", "x;'=1"),
            (";=1", ";'=1"),
            ("x; \u{a0}=1", "x; \u{a0}'=1"),
            ("x;;=1", "x;;'=1"),
            ("x\";=1", "x\"\";'=1"),
            ("x\n+1", "x\n'+1"),
            ("x\t@SUM", "x\t'@SUM"),
            ("x;'=1", "x;'=1"),
            ("12 - 3 = 9", "12 - 3 = 9"),
        ] {
            let mut cell = String::new();
            push_text(&mut cell, text);
            assert_eq!(cell, expected, "{text:?}");
        }
    }
}
