//! The statements of an import. Texts from outside travel in hexadecimal: wrangler cuts a file into statements and
//! looks for transactions in it by its letters, so a text such as `BEGIN TRANSACTION;` would otherwise be changed.

use super::older::Call;
use super::plan::Placed;

/// The longest statement. D1 takes 100 kB.
const STATEMENT: usize = 90_000;
/// How many bytes of a message one statement holds, in hexadecimal twice as many.
const PIECE: usize = 40_000;

const CALLS: &str = "INSERT INTO calls \
    (conversation_id, driver_id, call_start_time, call_end_time, status, created_at, updated_at, call_sid) VALUES";
const TURNS: &str = "INSERT INTO call_transcriptions \
    (id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) VALUES";

/// A turn's id: 2^40 + its call's id × 2^22 + how many turns the call ever had, as the ledger gives it.
fn turn_id(conversation: &str, number: u64) -> String {
    format!(
        "(SELECT 1099511627776+4194304*id+turns_removed+{number} FROM calls WHERE conversation_id={conversation})"
    )
}

/// What has to stand in one file: a statement that adds rows, and what completes them.
pub struct Step {
    /// Its statements, each with its semicolon.
    pub sql: String,
    /// How many rows it adds.
    pub rows: usize,
}

/// The statements that add these calls.
pub fn calls(calls: &[(&Call, &str)]) -> Vec<Step> {
    let mut steps = Steps::new(CALLS);
    for (call, name) in calls {
        let Call {
            start,
            status,
            created,
            updated,
            ..
        } = call;
        let conversation = call.conversation_id.as_deref().map_or_else(null, text);
        let driver = call
            .driver_id
            .map_or_else(null, |driver| driver.to_string());
        let end = call.end.map_or_else(null, |end| format!("'{end}'"));
        let name = text(name);
        let row = format!(
            "({conversation},{driver},'{start}',{end},'{status}','{created}','{updated}',{name})"
        );
        steps.add(&row);
    }
    steps.finish()
}

/// The statements that add these turns.
pub fn turns(turns: &[Placed<'_>]) -> Vec<Step> {
    let mut steps = Steps::new(TURNS);
    for Placed { turn, number } in turns {
        let conversation = text(&turn.conversation_id);
        let mut pieces = pieces(&turn.message).into_iter();
        let first = pieces.next().unwrap_or_default();
        let row = format!(
            "({},{conversation},'{}',{},'{}',{number},'{}')",
            turn_id(&conversation, *number),
            turn.speaker,
            text(first),
            turn.time,
            turn.created
        );
        steps.add(&row);
        // What does not fit into one statement is put behind it, in the same transaction.
        let mut stored = first.chars().count();
        for piece in pieces {
            steps.complete(&format!(
                "UPDATE call_transcriptions SET message_text = message_text || {} \
                 WHERE conversation_id = {conversation} AND sequence_number = {number} AND length(message_text) = {stored};",
                text(piece)
            ));
            stored += piece.chars().count();
        }
    }
    steps.finish()
}

/// A list of texts as one JSON text.
pub fn json_list(texts: &[String]) -> String {
    text(&serde_json::Value::from(texts).to_string())
}

fn null() -> String {
    "NULL".to_owned()
}

/// A text as an SQL expression.
fn text(text: &str) -> String {
    let mut sql = String::with_capacity(text.len() * 2 + 20);
    sql.push_str("CAST(X'");
    for byte in text.bytes() {
        let digits = [byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16));
        sql.extend(digits.into_iter().flatten());
    }
    sql.push_str("' AS TEXT)");
    sql
}

/// A message in pieces that fit into a statement each.
fn pieces(message: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = message;
    while rest.len() > PIECE {
        let end = (0..=PIECE)
            .rev()
            .find(|end| rest.is_char_boundary(*end))
            .unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// Gathers rows into steps.
struct Steps {
    head: &'static str,
    current: Step,
    done: Vec<Step>,
}

impl Steps {
    const fn new(head: &'static str) -> Self {
        let current = Step {
            sql: String::new(),
            rows: 0,
        };
        Self {
            head,
            current,
            done: Vec::new(),
        }
    }

    fn add(&mut self, row: &str) {
        if self.current.sql.len() + row.len() > STATEMENT {
            self.close();
        }
        let before = if self.current.rows == 0 {
            self.head
        } else {
            ","
        };
        self.current.sql.push_str(before);
        self.current.sql.push_str(row);
        self.current.rows += 1;
    }

    fn close(&mut self) {
        if self.current.rows > 0 {
            let empty = Step {
                sql: String::new(),
                rows: 0,
            };
            let mut step = std::mem::replace(&mut self.current, empty);
            step.sql.push(';');
            self.done.push(step);
        }
    }

    /// A statement that completes the last row.
    fn complete(&mut self, sql: &str) {
        self.close();
        if let Some(step) = self.done.last_mut() {
            step.sql.push_str(sql);
        }
    }

    fn finish(mut self) -> Vec<Step> {
        self.close();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, Steps, json_list, pieces, text};

    #[test]
    fn no_letter_of_a_text_stands_in_the_statement() {
        assert_eq!(text("a';é"), "CAST(X'61273bc3a9' AS TEXT)");
        assert_eq!(text(""), "CAST(X'' AS TEXT)");
        assert_eq!(
            json_list(&["a\"".to_owned(), "b".to_owned()]),
            text(r#"["a\"","b"]"#)
        );
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let message = "🚚".repeat(PIECE / 4 + 1) + "é";
        let found = pieces(&message);
        assert_eq!(found.concat(), message);
        assert!(found.len() == 2 && found.iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(pieces(""), [""]);
    }

    #[test]
    fn statements_stay_below_the_limit_of_d1() {
        let mut steps = Steps::new("INSERT INTO t VALUES");
        let row = format!("({})", "1".repeat(30_000));
        for _ in 0..7 {
            steps.add(&row);
        }
        let steps = steps.finish();
        let rows: Vec<_> = steps.iter().map(|step| step.rows).collect();
        assert_eq!(rows, [2, 2, 2, 1]);
        assert!(
            steps
                .iter()
                .all(|step| step.sql.len() < 100_000 && step.sql.ends_with(");"))
        );
    }
}
