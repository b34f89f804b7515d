//! What the tools read from `wrangler.toml`: the names of the environments and their databases. It reads headers of
//! tables and `key = "text"` lines, which is how that file is written; wrangler itself reads the rest.

use std::collections::BTreeSet;

/// The text of `wrangler.toml`.
pub struct Configuration(String);

/// A `key = "text"` line, with the table it stands in.
struct Line<'a> {
    table: &'a str,
    key: &'a str,
    value: &'a str,
}

impl Configuration {
    /// The configuration with this text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The names of the environments, sorted.
    pub fn environments(&self) -> BTreeSet<&str> {
        let headers = self.0.lines().filter_map(header);
        headers.filter_map(environment_of).collect()
    }

    /// The header of an environment's table of databases.
    pub fn databases_table(environment: &str) -> String {
        if environment.is_empty() {
            "[[d1_databases]]".to_owned()
        } else {
            format!("[[env.{environment}.d1_databases]]")
        }
    }

    /// The name of an environment's database.
    pub fn database(&self, environment: &str) -> Option<&str> {
        let table = Self::databases_table(environment);
        let mut lines = self.lines();
        let line = lines.find(|line| line.table == table && line.key == "database_name");
        line.map(|line| line.value)
    }

    /// The first database id that stands there more than once.
    pub fn repeated_database_id(&self) -> Option<&str> {
        let mut seen = BTreeSet::new();
        let mut ids = self.lines().filter(|line| line.key == "database_id");
        ids.find(|line| !seen.insert(line.value))
            .map(|line| line.value)
    }

    fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let mut table = "";
        self.0.lines().filter_map(move |line| {
            if let Some(header) = header(line) {
                table = header;
                return None;
            }
            let (key, rest) = line.split_once('=')?;
            let value = rest.trim_start().strip_prefix('"')?;
            let (value, _) = value.split_once('"')?;
            let key = key.trim();
            Some(Line { table, key, value })
        })
    }
}

/// The header of a table, without the comment behind it: `[env.staging.vars]`.
fn header(line: &str) -> Option<&str> {
    let line = line.trim();
    if !line.starts_with('[') {
        return None;
    }
    line.split_whitespace().next()
}

/// The environment that a table belongs to.
fn environment_of(header: &str) -> Option<&str> {
    let name = header.trim_start_matches('[').strip_prefix("env.")?;
    let (name, _) = name.split_once(['.', ']'])?;
    let in_name = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    (!name.is_empty() && name.chars().all(in_name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::Configuration;

    const TEXT: &str = r#"
        name = "call-ledger"
        [[d1_databases]]
        database_name = "ledger"    # "not this"
        database_id = "one"
        # [env.commented.vars]
        [env.staging.vars] # [env.neither]
        database_name = "elsewhere"
        [[env.staging.d1_databases]]
        binding = "DB"
        database_name="ledger-staging"
        database_id = "two"
        [env.bare]
    "#;

    #[test]
    fn each_environment_has_its_own_database() {
        let configuration = Configuration::new(TEXT.to_owned());
        let environments: Vec<_> = configuration.environments().into_iter().collect();
        assert_eq!(environments, ["bare", "staging"]);
        assert_eq!(configuration.database(""), Some("ledger"));
        assert_eq!(configuration.database("staging"), Some("ledger-staging"));
        assert_eq!(configuration.database("bare"), None);
        assert_eq!(configuration.repeated_database_id(), None);
    }

    #[test]
    fn a_database_id_that_was_copied_is_found() {
        let text = TEXT.replace("\"two\"", "\"one\"");
        let configuration = Configuration::new(text);
        assert_eq!(configuration.repeated_database_id(), Some("one"));
    }
}
