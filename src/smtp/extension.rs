//! What a server offers: the keywords of an EHLO reply (RFC 5321 4.1.1.1).

/// The capability lines of an EHLO reply: every line but the first, which is the server's name and never
/// a keyword. Keyword and parameters as they came, the keyword in upper case.
pub(super) fn capabilities(lines: &[Vec<u8>]) -> Vec<Vec<u8>> {
    lines.iter().skip(1).filter_map(|line| capability(line)).collect()
}

fn capability(line: &[u8]) -> Option<Vec<u8>> {
    let mut text = super::reply::text(line).trim_ascii().to_vec();
    let keyword = keyword(&text).len();
    if keyword == 0 {
        return None;
    }
    if let Some(head) = text.get_mut(..keyword) {
        head.make_ascii_uppercase();
    }
    Some(text)
}

/// The keyword of a capability: up to a blank or, as old servers write `AUTH=LOGIN`, an equals sign.
pub(crate) fn keyword(capability: &[u8]) -> &[u8] {
    let end = capability.iter().position(|&byte| matches!(byte, b' ' | b'\t' | b'='));
    capability.get(..end.unwrap_or(capability.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_a_name_and_the_rest_are_keywords() {
        let lines = [b"250-HELP at your service".to_vec(), b"250-Size 1000".to_vec(), b"250 auth=LOGIN".to_vec()];
        assert_eq!(capabilities(&lines), [b"SIZE 1000".to_vec(), b"AUTH=LOGIN".to_vec()]);
        assert_eq!(keyword(b"AUTH=LOGIN"), b"AUTH");
    }
}
