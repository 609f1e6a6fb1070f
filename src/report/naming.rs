//! Names in what a person reads: captures without what all of them have in common, and arguments as a shell takes them.

/// A capture's name below what was named to be read, where that was one directory; of the one file that was named, its name.
pub(crate) fn below<'p>(inputs: &[String], path: &'p str) -> &'p str {
    let [input] = inputs else { return path };
    let common = input.trim_end_matches('/');
    match path.strip_prefix(common).filter(|_| !common.is_empty()) {
        Some("") => path.rsplit_once('/').map_or(path, |(_, name)| name),
        Some(below) => below.strip_prefix('/').unwrap_or(path),
        None => path,
    }
}

/// An argument as a shell takes it.
pub(crate) fn quoted(argument: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "/._-+,:=@%".contains(char);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_captures_have_in_common_is_left_out() {
        let below = |inputs: &[&str], path| {
            let inputs: Vec<String> = inputs.iter().map(|&input| input.to_owned()).collect();
            below(&inputs, path).to_owned()
        };
        assert_eq!(below(&["mail/"], "mail/a/b.pcap"), "a/b.pcap");
        assert_eq!(below(&["mail"], "mailing/b.pcap"), "mailing/b.pcap");
        assert_eq!(below(&["mail/b.pcap"], "mail/b.pcap"), "b.pcap");
        assert_eq!(below(&["mail", "post"], "mail/b.pcap"), "mail/b.pcap");
        assert_eq!(below(&["/"], "/b.pcap"), "/b.pcap");
    }

    #[test]
    fn an_argument_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(quoted("mail/a.pcap"), "mail/a.pcap");
        assert_eq!(quoted("it's $(here)"), "'it'\\''s $(here)'");
        assert_eq!(quoted(""), "''");
    }
}
