//! What a server offers: the keywords of an EHLO reply (RFC 5321 4.1.1.1), and the registry of what they bring
//! (IANA's "SMTP Service Extensions").

/// What an extension brings: verbs, parameters, and octets for the longest line of a command.
#[derive(Debug)]
pub(crate) struct Extension {
    pub keyword: &'static str,
    pub verbs: &'static [&'static str],
    /// The parameters that it brings to MAIL and to RCPT.
    pub mail: &'static [&'static str],
    pub rcpt: &'static [&'static str],
    /// By how many octets it lengthens MAIL, RCPT, and VRFY and EXPN; `None` where that is not known here.
    pub longer: Option<Longer>,
    /// Where that is said.
    pub source: &'static str,
}

/// Octets that an extension adds to the longest line of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Longer {
    pub mail: u64,
    pub rcpt: u64,
    pub vrfy: u64,
}

/// An extension that lengthens no line.
const NOT: Option<Longer> = Some(Longer { mail: 0, rcpt: 0, vrfy: 0 });

const fn longer(mail: u64, rcpt: u64, vrfy: u64) -> Longer {
    Longer { mail, rcpt, vrfy }
}

/// Writes the registry a row a line: keyword, verbs, parameters of MAIL, of RCPT, octets, source.
macro_rules! extensions {
    ($($keyword:literal [$($verb:literal),*] [$($mail:literal),*] [$($rcpt:literal),*] $longer:expr, $source:literal;)+) => {
        &[$(Extension {
            keyword: $keyword,
            verbs: &[$($verb),*],
            mail: &[$($mail),*],
            rcpt: &[$($rcpt),*],
            longer: $longer,
            source: $source,
        }),+]
    };
}

/// The registry, sorted by keyword: IANA's "SMTP Service Extensions", and Exim's two that it lacks. Where an RFC's
/// length is not known here no line with that extension's parameter is called too long.
pub(crate) static EXTENSIONS: &[Extension] = extensions! {
    "8BITMIME" [] ["BODY"] [] Some(longer(17, 0, 0)), "RFC 6152 section 2, which gives no length: room for BODY= and its longest value";
    "ATRN" ["ATRN"] [] [] NOT, "RFC 2645 section 4";
    "AUTH" ["AUTH"] ["AUTH"] [] Some(longer(500, 0, 0)), "RFC 4954 section 3";
    "BINARYMIME" [] ["BODY"] [] Some(longer(16, 0, 0)), "RFC 3030 section 3";
    "BURL" ["BURL"] [] [] NOT, "RFC 4468 section 3";
    "CHECKPOINT" [] ["TRANSID"] [] None, "RFC 1845 section 3";
    "CHUNKING" ["BDAT"] [] [] NOT, "RFC 3030 section 2";
    "CONNEG" [] [] ["CONNEG"] None, "RFC 4141 section 5";
    "CONPERM" [] ["CONPERM"] [] None, "RFC 4141 section 4";
    "DELIVERBY" [] ["BY"] [] Some(longer(17, 0, 0)), "RFC 2852 section 4: BY= and a time of a sign, nine digits, a mode of three";
    "DSN" [] ["RET", "ENVID"] ["NOTIFY", "ORCPT"] Some(longer(110, 530, 0)), "RFC 3461 sections 4.1 to 4.4: each parameter's longest";
    "ENHANCEDSTATUSCODES" [] [] [] NOT, "RFC 2034 section 3";
    "ETRN" ["ETRN"] [] [] NOT, "RFC 1985 section 3";
    "EXPN" ["EXPN"] [] [] NOT, "RFC 5321 section 4.1.1.7";
    "FUTURERELEASE" [] ["HOLDFOR", "HOLDUNTIL"] [] None, "RFC 4865 section 3";
    "HELP" ["HELP"] [] [] NOT, "RFC 5321 section 4.1.1.8";
    "LIMITS" [] [] [] NOT, "RFC 9422 section 3";
    "MT-PRIORITY" [] ["MT-PRIORITY"] [] Some(longer(15, 0, 0)), "RFC 6710 section 3";
    "MTRK" [] ["MTRK", "ENVID"] ["ORCPT"] None, "RFC 3885 section 2";
    "NO-SOLICITING" [] ["SOLICIT"] [] None, "RFC 3865 section 2";
    "ONEX" ["ONEX"] [] [] NOT, "RFC 1700, mail parameters";
    "PIPECONNECT" [] [] [] NOT, "Exim's specification, pipelining_connect_advertise_hosts";
    "PIPELINING" [] [] [] NOT, "RFC 2920 section 2";
    "PRDR" [] ["PRDR"] [] None, "Exim's specification, prdr_enable";
    "REQUIRETLS" [] ["REQUIRETLS"] [] Some(longer(11, 0, 0)), "RFC 8689 section 2";
    "RRVS" [] [] ["RRVS"] None, "RFC 7293 section 3";
    "SAML" ["SAML"] [] [] NOT, "RFC 821 section 4.1.1; deprecated by RFC 2821 appendix F.6";
    "SEND" ["SEND"] [] [] NOT, "RFC 821 section 4.1.1; deprecated by RFC 2821 appendix F.6";
    "SIZE" [] ["SIZE"] [] Some(longer(26, 0, 0)), "RFC 1870 section 3";
    "SMTPUTF8" [] ["SMTPUTF8"] [] Some(longer(10, 0, 10)), "RFC 6531 section 3.1";
    "SOML" ["SOML"] [] [] NOT, "RFC 821 section 4.1.1; deprecated by RFC 2821 appendix F.6";
    "STARTTLS" ["STARTTLS"] [] [] NOT, "RFC 3207 section 3";
    "SUBMITTER" [] ["SUBMITTER"] [] None, "RFC 4405 section 2";
    "TURN" ["TURN"] [] [] NOT, "RFC 821 section 3.8; deprecated by RFC 2821 appendix F.1";
    "UTF8SMTP" [] ["ALT-ADDRESS"] ["ALT-ADDRESS"] None, "RFC 5336 section 3.1, obsoleted by RFC 6531";
    "VERB" ["VERB"] [] [] NOT, "RFC 1700, mail parameters";
};

/// The extension of that keyword.
pub(crate) fn find(keyword: &[u8]) -> Option<&'static Extension> {
    EXTENSIONS.iter().find(|extension| extension.keyword.as_bytes().eq_ignore_ascii_case(keyword))
}

/// The capability lines of an EHLO reply: every line but the first, which is the server's name and never
/// a keyword. Keyword and parameters as they came, the keyword in upper case.
pub(in crate::smtp) fn capabilities(lines: &[Vec<u8>]) -> Vec<Vec<u8>> {
    lines.iter().skip(1).filter_map(|line| capability(line)).collect()
}

/// Whether an EHLO reply of those lines lists a keyword.
pub(in crate::smtp) fn lists(lines: &[Vec<u8>], word: &str) -> bool {
    let mut texts = lines.iter().skip(1).map(|line| super::reply::text(line).trim_ascii());
    texts.any(|text| keyword(text).eq_ignore_ascii_case(word.as_bytes()))
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

    #[test]
    fn every_row_has_its_source_and_stands_in_order() {
        assert!(EXTENSIONS.is_sorted_by(|one, next| one.keyword < next.keyword));
        for extension in EXTENSIONS {
            assert!(extension.source.contains("RFC") || extension.source.contains("Exim"), "{}", extension.keyword);
            for verb in extension.verbs {
                let known = super::super::verb::Verb::of(verb.as_bytes()).is_known();
                assert!(known || *verb == extension.keyword, "{verb} is brought but neither known nor offered by name");
            }
        }
        let iana = "SEND SOML SAML EXPN HELP TURN 8BITMIME SIZE VERB ONEX CHUNKING BINARYMIME CHECKPOINT DELIVERBY \
                    PIPELINING DSN ETRN ENHANCEDSTATUSCODES STARTTLS NO-SOLICITING MTRK SUBMITTER ATRN AUTH \
                    FUTURERELEASE CONPERM CONNEG SMTPUTF8 UTF8SMTP MT-PRIORITY RRVS REQUIRETLS BURL LIMITS";
        for keyword in iana.split_whitespace() {
            assert!(find(keyword.as_bytes()).is_some(), "{keyword} is missing");
        }
        assert_eq!(find(b"size").and_then(|size| size.longer), Some(longer(26, 0, 0)));
    }
}
