//! AUTH and its kin (RFC 4954): which client text is secret, and what of an attempt may be told.

use std::fmt;

use data_encoding::BASE64;

/// Text that must not be shown. It has no `Display`, and its `Debug` tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// What stands in its place.
    pub(crate) const SHOWN: &'static [u8] = b"<redacted>";

    pub(super) fn new(text: Vec<u8>) -> Secret {
        Secret(text)
    }

    /// The text itself: for `--show-secrets`, and for checks that look at bytes and never show them.
    pub(crate) fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// An attempt under way: from the AUTH command to its last reply.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// Upper-cased, as the client named it.
    pub mechanism: Vec<u8>,
    pub user: Option<Vec<u8>>,
    /// Client lines so far, an initial response included.
    responses: u32,
}

impl Attempt {
    /// Octets kept of a mechanism's name (RFC 4422 3.1 allows 20 characters) and of a user's.
    const NAME: usize = 256;

    /// Begins with the AUTH command's argument: mechanism and perhaps an initial response.
    pub(super) fn new(argument: &[u8]) -> Attempt {
        let mut words = argument.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let name = words.next().unwrap_or_default();
        let mechanism = name.get(..Self::NAME).unwrap_or(name).to_ascii_uppercase();
        let mut attempt = Attempt { mechanism, user: None, responses: 0 };
        if let Some(response) = words.next() {
            attempt.response(response);
        }
        attempt
    }

    /// The next client line of the exchange; a user's name in it is kept, a password never.
    pub(super) fn response(&mut self, line: &[u8]) {
        let nth = self.responses;
        self.responses = nth.saturating_add(1);
        if self.user.is_some() {
            return;
        }
        let Ok(decoded) = BASE64.decode(line.trim_ascii()) else { return };
        self.user = match self.mechanism.as_slice() {
            // RFC 4616: authorization identity NUL authentication identity NUL password.
            b"PLAIN" => decoded.split(|&byte| byte == 0).nth(1).map(<[u8]>::to_vec),
            b"LOGIN" if nth == 0 => Some(decoded),
            // RFC 2195: the user's name, a blank, the digest.
            b"CRAM-MD5" => {
                decoded.iter().rposition(|&byte| byte == b' ').and_then(|at| decoded.get(..at)).map(<[u8]>::to_vec)
            }
            b"EXTERNAL" => Some(decoded),
            b"XOAUTH2" => {
                decoded.split(|&byte| byte == 1).find_map(|field| field.strip_prefix(b"user=")).map(<[u8]>::to_vec)
            }
            _ => None,
        };
        if let Some(user) = &mut self.user {
            user.truncate(Self::NAME);
        }
    }

    /// Whether success may switch on a security layer (RFC 4422 3.7), behind which nothing is readable.
    pub(super) fn may_add_layer(&self) -> bool {
        matches!(self.mechanism.as_slice(), b"GSSAPI" | b"GSS-SPNEGO" | b"DIGEST-MD5" | b"NTLM" | b"KERBEROS_V4")
    }
}

/// Whether a line is base64 and nothing else, and no known verb.
pub(super) fn looks_like_base64(line: &[u8]) -> bool {
    may_be_base64(line) && line.trim_ascii().len().is_multiple_of(4)
}

/// Whether a line could be base64 of a client that leaves the padding out: one word of its letters.
pub(super) fn may_be_base64(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let body = line.strip_suffix(b"==").or_else(|| line.strip_suffix(b"=")).unwrap_or(line);
    line.len() >= 4
        && body.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        && !super::wire::verb::Verb::of(line).is_known()
}

/// Whether a server's text repeats a client's secret, whole or its first octets.
pub(super) fn quotes(text: &[u8], secret: &[u8]) -> bool {
    /// So much of a longer secret is enough: servers cut what they quote.
    const ENOUGH: usize = 12;
    secret
        .split(u8::is_ascii_whitespace)
        .filter(|word| word.len() >= 4)
        .map(|word| word.get(..ENOUGH).unwrap_or(word))
        .any(|word| memchr::memmem::find(text, word).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_kept_and_the_password_never() {
        let mut plain = Attempt::new(b"plain");
        plain.response(b"AHVzZXIAcGFzcw==");
        assert_eq!(plain.user.as_deref(), Some(&b"user"[..]));
        let mut login = Attempt::new(b"LOGIN");
        login.response(b"dXNlcg==");
        login.response(b"cGFzcw==");
        assert_eq!(login.user.as_deref(), Some(&b"user"[..]));
        let mut second = Attempt::new(b"LOGIN !!!!");
        second.response(b"cGFzcw==");
        assert_eq!(second.user, None);
    }

    #[test]
    fn commands_of_four_letters_are_no_base64() {
        assert!(looks_like_base64(b"dXNlcg=="));
        assert!(!looks_like_base64(b"QUIT"));
        assert!(!looks_like_base64(b"*"));
        assert!(!looks_like_base64(b"MAIL FROM:<a>"));
    }

    #[test]
    fn debug_tells_nothing() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2".to_vec())), "<redacted>");
    }

    #[test]
    fn a_quoted_secret_is_found_even_when_cut() {
        assert!(quotes(b"500 Command unrecognized: \"AHVzZXIAcGFzcw", b"AHVzZXIAcGFzcw=="));
        assert!(!quotes(b"500 Command unrecognized", b"AHVzZXIAcGFzcw=="));
    }
}
