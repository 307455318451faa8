//! JSON over several lines, in the order and the digits of the text.

/// The width that lines have where their parts allow (characters).
const WIDTH: usize = 110;

/// Lays out JSON after a prefix: on its line if it fits, else below it and indented.
pub(super) fn lay_out(prefix: &str, json: &str) -> String {
    let line = format!("{prefix} {json}");
    if fits(&line) {
        return line;
    }
    let mut lines = vec![prefix.to_owned()];
    put(&mut lines, 2, "", json, "");
    lines.join("\n")
}

fn fits(line: &str) -> bool {
    line.chars().count() <= WIDTH
}

/// Adds the lines of some JSON between a head and a tail.
fn put(lines: &mut Vec<String>, indent: usize, head: &str, json: &str, tail: &str) {
    let space = " ".repeat(indent);
    let line = format!("{space}{head}{json}{tail}");
    let parts = parts(json);
    if fits(&line) || parts.is_empty() {
        return lines.push(line);
    }
    let (open, close) = (&json[..1], &json[json.len() - 1..]);
    let last = parts.len() - 1;
    let end =
        |number: usize| if number == last { format!("{close}{tail}") } else { ",".to_owned() };
    if open == "[" {
        lines.push(format!("{space}{head}["));
        for (number, part) in parts.iter().enumerate() {
            put(lines, indent + 2, "", part, if number == last { "" } else { "," });
        }
        return lines.push(format!("{space}]{tail}"));
    }
    // As many members in a line as fit; the first follows the bracket.
    let mut line = format!("{space}{head}{{");
    let mut is_open = true;
    for (number, part) in parts.iter().enumerate() {
        let end = end(number);
        if !is_open {
            line = format!("{space} ");
        } else if number > 0 && !fits(&format!("{line}{part}{end}")) {
            lines.push(std::mem::replace(&mut line, format!("{space} ")));
        }
        is_open = fits(&format!("{line}{part}{end}"));
        if is_open {
            line.push_str(&format!("{part}{end}"));
        } else {
            let (key, value) = part.split_at(key_length(part));
            let head = format!("{}{key}", line.trim_start());
            put(lines, line.len() - line.trim_start().len(), &head, value, &end);
        }
    }
    if is_open {
        lines.push(line);
    }
}

/// The elements of an array or the members of an object; none for other JSON and for empty ones.
fn parts(json: &str) -> Vec<&str> {
    if !json.starts_with(['{', '[']) || json.len() <= 2 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let (mut depth, mut start, mut in_string, mut is_escaped) = (0, 1, false, false);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 1 => {
                found.push(&json[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&json[start..json.len() - 1]);
    found
}

/// The length of an object's member up to its value.
fn key_length(member: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in member.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 2,
            _ => {}
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfold(text: &str) -> String {
        text.lines().map(str::trim_start).collect()
    }

    #[test]
    fn what_fits_is_one_line() {
        assert_eq!(lay_out("200", r#"{"a":[1,2]}"#), r#"200 {"a":[1,2]}"#);
    }

    #[test]
    fn documents_stand_below_each_other() {
        let document = format!(r#"{{"id":"a","text":"{}"}}"#, "x, \\\"]".repeat(6));
        let json = format!(r#"{{"documents":[{document},{document}],"more":true}}"#);
        let expected = format!(
            "200\n  {{\"documents\":[\n    {document},\n    {document}\n  ],\n   \"more\":true}}"
        );
        assert_eq!(lay_out("200", &json), expected);
    }

    #[test]
    fn no_character_is_lost() {
        let long = "y".repeat(70);
        for json in [
            format!(
                r#"{{"{long}":{{"{long}":["{long}",{{"a\"b":"{long}"}},[]]}},"b":1,"c":"{long}"}}"#
            ),
            format!(r#"[["{long}","{long}"],{{}},1.50,"{long}"]"#),
            format!(r#"{{"a":1,"b":"{long}{long}"}}"#),
        ] {
            assert_eq!(unfold(&lay_out("", &json)), json);
        }
    }
}
