//! Names in what a person reads: captures without what all of them have in common, arguments as a shell takes them, and the
//! command that goes on.

use crate::record::{Options, Start};

use super::Look;

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

/// The command that shows one session, where the inputs' names can be typed as they are shown.
pub(crate) fn show(session: &str, look: &Look, start: Option<&Start>) -> Option<String> {
    let can_be_typed = |input: &String| !input.contains('\\') && input != "standard input";
    let inputs = &look.inputs;
    let inputs = (!inputs.is_empty() && inputs.len() <= 3 && inputs.iter().all(can_be_typed)).then_some(inputs)?;
    let mut command = format!("mailtap show {session}");
    for input in inputs {
        let dashed = if input.starts_with('-') { "./" } else { "" };
        command.push(' ');
        command.push_str(&quoted(&format!("{dashed}{input}")));
    }
    let usual = Options::default();
    let options = start.map_or(&usual, |start| &start.options);
    if options.port != usual.port {
        let ports: Vec<String> = options.port.iter().map(ToString::to_string).collect();
        command.push_str(" --port ");
        command.push_str(&ports.join(","));
    }
    if options.separate {
        command.push_str(" --separate");
    }
    Some(command)
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
    use crate::record::Program;

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
    fn the_command_that_goes_on_is_one_that_works() {
        let look = |inputs: &[&str]| Look {
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            ..Look::default()
        };
        let shown = |inputs: &[&str]| show("ec7a11ef", &look(inputs), None);
        assert_eq!(shown(&["a b.pcap"]).unwrap(), "mailtap show ec7a11ef 'a b.pcap'");
        assert_eq!(shown(&["-dash.pcap"]).unwrap(), "mailtap show ec7a11ef ./-dash.pcap");
        assert_eq!([shown(&["standard input"]), shown(&["bad\\xff.pcap"])], [None, None]);
        let mut start = Start::new(Program::Scan, Options { port: vec![25, 80], separate: true, ..Options::default() });
        let command = show("ec7a11ef", &look(&["a.pcap"]), Some(&start)).unwrap();
        assert_eq!(command, "mailtap show ec7a11ef a.pcap --port 25,80 --separate");
        start.options = Options::default();
        assert_eq!(show("ec7a11ef", &look(&["a.pcap"]), Some(&start)).unwrap(), "mailtap show ec7a11ef a.pcap");
    }

    #[test]
    fn an_argument_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(quoted("mail/a.pcap"), "mail/a.pcap");
        assert_eq!(quoted("it's $(here)"), "'it'\\''s $(here)'");
        assert_eq!(quoted(""), "''");
    }
}
