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
/// A call's n-th turn has the id 2^40 + calls.id * 2^22 + n, where n counts every turn that the call ever had: those that
/// are there and `turns_removed`. Turns are without gap, so the turn with the number m is the m-th of those that are there.
/// A LEFT JOIN, so that a turn whose call is gone fails and is not dropped in silence.
const TURNS: &str = "INSERT INTO call_transcriptions \
    (id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
    WITH new (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) AS (VALUES";
const TURNS_END: &str = ") SELECT 1099511627776 + c.id * 4194304 + c.turns_removed + new.sequence_number, new.* \
    FROM new LEFT JOIN calls c ON c.conversation_id = new.conversation_id;";
/// Retention goes by calls in the order of their ids. Imported calls come behind younger ones, so each is marked with when
/// its oldest text was stored, as the ledger marks calls that retention has passed.
const MARK: &str = "UPDATE calls SET turns_due_at = \
    (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', MIN(datetime(t.created_at))) FROM call_transcriptions t \
      WHERE t.conversation_id = calls.conversation_id AND (t.message_text <> '' OR t.original_text IS NOT NULL)) \
    WHERE conversation_id IN (SELECT value FROM json_each(";

/// What has to stand in one file: a statement that adds rows, and what completes them.
pub struct Step {
    /// Its statements, each with its semicolon.
    pub sql: String,
    /// How many rows it adds.
    pub rows: usize,
}

/// The statements that add these calls.
pub fn calls(calls: &[(&Call, &str)]) -> Vec<Step> {
    let mut steps = Steps::new(CALLS, |_| ";".to_owned());
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
        steps.add(&row, "");
    }
    steps.finish()
}

/// The statements that add these turns.
pub fn turns(turns: &[Placed<'_>]) -> Vec<Step> {
    let mut steps = Steps::new(TURNS, |names| {
        format!("{TURNS_END}{MARK}{}));", json_list(names))
    });
    for Placed { turn, number } in turns {
        let conversation = text(&turn.conversation_id);
        let mut pieces = pieces(&turn.message).into_iter();
        let first = pieces.next().unwrap_or_default();
        let row = format!(
            "({conversation},'{}',{},'{}',{number},'{}')",
            turn.speaker,
            text(first),
            turn.time,
            turn.created
        );
        steps.add(&row, &turn.conversation_id);
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
    /// How a statement begins.
    head: &'static str,
    /// How it ends, and what follows it, for the conversations in it.
    end: fn(&[String]) -> String,
    rows: Vec<String>,
    length: usize,
    conversations: Vec<String>,
    done: Vec<Step>,
}

impl Steps {
    const fn new(head: &'static str, end: fn(&[String]) -> String) -> Self {
        Self {
            head,
            end,
            rows: Vec::new(),
            length: 0,
            conversations: Vec::new(),
            done: Vec::new(),
        }
    }

    fn add(&mut self, row: &str, conversation: &str) {
        if self.length + row.len() > STATEMENT {
            self.close();
        }
        self.length += row.len() + 1;
        self.rows.push(row.to_owned());
        if self
            .conversations
            .last()
            .is_none_or(|last| last != conversation)
        {
            self.conversations.push(conversation.to_owned());
        }
    }

    fn close(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let conversations = std::mem::take(&mut self.conversations);
        self.length = 0;
        if !rows.is_empty() {
            let end = (self.end)(&conversations);
            self.done.push(Step {
                sql: format!("{}{}{end}", self.head, rows.join(",")),
                rows: rows.len(),
            });
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
        let mut steps = Steps::new("INSERT INTO t VALUES", |names| format!("; -- {names:?}"));
        let row = format!("({})", "1".repeat(30_000));
        for _ in 0..7 {
            steps.add(&row, "a");
        }
        let steps = steps.finish();
        let rows: Vec<_> = steps.iter().map(|step| step.rows).collect();
        assert_eq!(rows, [2, 2, 2, 1]);
        assert!(
            steps
                .iter()
                .all(|step| step.sql.len() < 100_000 && step.sql.ends_with("); -- [\"a\"]"))
        );
    }
}
