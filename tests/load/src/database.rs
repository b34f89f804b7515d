//! The database's file, while the worker does not run.

use crate::compare::{Discrepancy, Kind};
use crate::options::Sabotage;
use rusqlite::Connection;
use std::path::Path;

/// Makes every unsettled call, and every waiting event, one that was last looked at long ago. Says how many calls.
pub fn move_clocks(file: &Path) -> Result<usize, String> {
    let database = open(file)?;
    let long_ago = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-2 hours')";
    let moved = database.execute(
        &format!(
            "UPDATE calls SET asked_at = {long_ago} WHERE status = 'in_progress' OR failure_reason = 'outcome_unknown'"
        ),
        [],
    );
    moved.map_err(|error| error.to_string())
}

/// How many rows of a table have this in a column, each.
pub fn count_by(file: &Path, table: &str, column: &str) -> Result<Vec<(String, i64)>, String> {
    let database = open(file)?;
    let sql = format!("SELECT {column}, count(*) FROM {table} GROUP BY 1 ORDER BY 1");
    let counts = || {
        let mut statement = database.prepare(&sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<Vec<_>, rusqlite::Error>>()
    };
    counts().map_err(|error| error.to_string())
}

/// What is wrong with it.
pub fn check(file: &Path) -> Result<Vec<Discrepancy>, String> {
    let database = open(file)?;
    let checks = [
        (
            Kind::Database,
            "SELECT 'calls', integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
        ),
        (
            Kind::Database,
            "SELECT \"table\", 'a row without its ' || parent FROM pragma_foreign_key_check",
        ),
        (
            Kind::Database,
            "SELECT call_sid, 'settling ' || settling FROM calls WHERE settling IS NOT NULL",
        ),
        (
            Kind::EventWaits,
            "SELECT conversation_id, type || ' is ' || outcome FROM elevenlabs_events WHERE outcome IN ('kept', 'expired')",
        ),
    ];
    let mut found = Vec::new();
    for (kind, sql) in checks {
        let rows = || {
            let mut statement = database.prepare(sql)?;
            let rows = statement.query_map([], |row| {
                let (about, what): (String, String) = (row.get(0)?, row.get(1)?);
                Ok(Discrepancy::new(kind, &about, what))
            })?;
            rows.collect::<Result<Vec<_>, rusqlite::Error>>()
        };
        found.append(&mut rows().map_err(|error| error.to_string())?);
    }
    Ok(found)
}

/// Damages what is stored of a settled call. Says what was done; `None` where the damage is not one of the database.
pub fn damage(file: &Path, sabotage: Sabotage) -> Result<Option<String>, String> {
    let victim = "(SELECT t.conversation_id FROM call_transcriptions t JOIN calls c USING (conversation_id) \
                  WHERE c.status = 'completed' AND t.origin = 'posted' ORDER BY t.id LIMIT 1)";
    let sql = match sabotage {
        Sabotage::LoseTurn => format!(
            "DELETE FROM call_transcriptions WHERE conversation_id = {victim} AND sequence_number = 2"
        ),
        Sabotage::LoseCall => format!(
            "CREATE TEMP TABLE victim AS SELECT {victim} AS id; \
             DELETE FROM call_transcriptions WHERE conversation_id = (SELECT id FROM victim); \
             DELETE FROM calls WHERE conversation_id = (SELECT id FROM victim)"
        ),
        Sabotage::Status => {
            format!(
                "UPDATE calls SET status = 'failed', failure_reason = 'busy' WHERE conversation_id = {victim}"
            )
        }
        Sabotage::Words => format!(
            "UPDATE call_transcriptions SET message_text = message_text || '?' \
             WHERE conversation_id = {victim} AND sequence_number = 1"
        ),
        Sabotage::DialTwice => return Ok(None),
    };
    let database = open(file)?;
    let done = database.execute_batch(&sql);
    done.map_err(|error| error.to_string())?;
    Ok(Some(sql))
}

fn open(file: &Path) -> Result<Connection, String> {
    Connection::open(file).map_err(|error| format!("{}: {error}", file.display()))
}
