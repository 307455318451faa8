//! The README's examples, taken out of its Markdown so that they can be run.
//!
//! What the README has to keep to:
//!
//! - Examples run from top to bottom on one server that is empty at first; they may build on each other.
//! - The server is written `http://127.0.0.1:8787` or `http://localhost:8787`.
//! - A fenced block ```` ```sh ```` with a line that begins with `curl ` is an example: bash runs it, and every command in
//!   it must succeed, curl with a status below 400. Other `sh` blocks are not run.
//! - If the next fenced block of the same section is ```` ```json ```` or ```` ```text ````, it is what the example prints.
//!   JSON is compared as JSON, one or several values; text line by line. Points in time (RFC 3339, `…Z`) and ULIDs are any,
//!   unless one of the commands contains them.
//! - A fenced block ```` ```js ```` is a module that Node runs, with the npm package as `blaze-client`. It must succeed and
//!   end by itself. A comment at the end of a line with `console.log` is what that line prints.
//! - A fence with more words, such as ```` ```js no-run ````, is not run.

use serde_json::Value;

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands behind the backticks.
    pub language: String,
    /// What stands between the fences.
    pub text: String,
    /// The line of the opening fence, from 1 on.
    pub line: usize,
    /// How many headings stand before it.
    section: usize,
}

/// An example and what it prints, if the README says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The example.
    pub block: Block,
    /// What it prints.
    pub output: Option<Block>,
}

/// The fenced blocks of a Markdown text, in order.
pub fn blocks(markdown: &str) -> Vec<Block> {
    let (mut blocks, mut section) = (Vec::new(), 0);
    let mut open: Option<Block> = None;
    for (line, number) in markdown.lines().zip(1..) {
        match &mut open {
            Some(block) if line.trim_end() == "```" => {
                blocks.push(std::mem::replace(block, Block::at(0, 0, "")));
                open = None;
            }
            Some(block) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => match line.strip_prefix("```") {
                Some(language) => open = Some(Block::at(number, section, language.trim())),
                None if line.starts_with('#') => section += 1,
                None => {}
            },
        }
    }
    blocks
}

impl Block {
    fn at(line: usize, section: usize, language: &str) -> Self {
        Block { language: language.to_owned(), text: String::new(), line, section }
    }
}

/// The examples in curl.
pub fn curl_examples(markdown: &str) -> Vec<Example> {
    let blocks = blocks(markdown);
    let is_curl = |block: &Block| {
        block.language == "sh" && block.text.lines().any(|line| line.starts_with("curl "))
    };
    let output = |place: usize| {
        let next: &Block = blocks.get(place + 1)?;
        let printed = matches!(next.language.as_str(), "json" | "text");
        (printed && next.section == blocks[place].section).then(|| next.clone())
    };
    (0..blocks.len())
        .filter(|place| is_curl(&blocks[*place]))
        .map(|place| Example { block: blocks[place].clone(), output: output(place) })
        .collect()
}

/// The examples in JavaScript.
pub fn js_examples(markdown: &str) -> Vec<Block> {
    blocks(markdown).into_iter().filter(|block| block.language == "js").collect()
}

/// What the `console.log` lines of a JavaScript example print, as far as it says, in order.
pub fn printed(js: &str) -> Vec<&str> {
    js.lines()
        .filter(|line| line.contains("console.log"))
        .filter_map(|line| line.rsplit_once(" // "))
        .map(|(_, comment)| comment.trim())
        .collect()
}

/// The example with the server's address in place of the README's.
pub fn with_server(text: &str, base: &str) -> String {
    text.replace("http://127.0.0.1:8787", base).replace("http://localhost:8787", base)
}

/// Why what was printed is not what the README says, or nothing. `commands` is the text of all examples.
///
/// # Errors
/// Both, as they were compared.
pub fn compare(expected: &Block, actual: &str, commands: &str) -> Result<(), String> {
    let (expected_text, actual_text) = (mask(&expected.text, commands), mask(actual, commands));
    let same = if expected.language == "json" {
        values(&expected_text)? == values(&actual_text)?
    } else {
        let lines =
            |text: &str| text.trim().lines().map(str::trim_end).map(str::to_owned).collect();
        let (expected, actual): (Vec<_>, Vec<_>) = (lines(&expected_text), lines(&actual_text));
        expected == actual
    };
    if same {
        return Ok(());
    }
    Err(format!("README.md:{} says\n{expected_text}\nbut it prints\n{actual_text}", expected.line))
}

/// The JSON values that a text is.
fn values(text: &str) -> Result<Vec<Value>, String> {
    serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| format!("not JSON: {error} in {text}"))
}

/// The text with every point in time and every ULID that no command contains replaced by its kind.
fn mask(text: &str, commands: &str) -> String {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "-:.".contains(character);
    let mut masked = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end.max(first.len_utf8()));
        masked.push_str(match kind(word) {
            Some(kind) if !commands.contains(word) => kind,
            _ => word,
        });
        rest = after;
    }
    masked
}

/// What a word is that may differ from one run to the next.
fn kind(word: &str) -> Option<&'static str> {
    let ulid =
        |byte: u8| byte.is_ascii_digit() || (byte.is_ascii_uppercase() && !b"ILOU".contains(&byte));
    if word.len() == 26 && word.bytes().all(ulid) {
        return Some("<ulid>");
    }
    blaze_schema::timestamp::Timestamp::parse(word).is_ok().then_some("<time>")
}

#[cfg(test)]
mod tests {
    use super::{blocks, compare, curl_examples, js_examples, printed, with_server};

    const SAMPLE: &str = "\
# Title

```sh
cargo xtask serve
```

```json
{\"not\": \"of the block before, which is no example\"}
```

Create:

```sh
curl -s -X PUT http://127.0.0.1:8787/v1/docs/a/b -d '{\"t\": \"2026-11-21T10:00:00Z\"}'
```

It prints:

```json
{\"n\": 1,
 \"updateTime\": \"2026-11-21T10:00:00.123Z\"}
```

```sh
curl -s http://localhost:8787/v1/docs/a/b
```

## Other section

```json
{}
```

```js
console.log(1 + 1); // 2
const url = \"http://127.0.0.1:8787\"; // where
console.log(url);
```

```js no-run
nothing
```
";

    #[test]
    fn blocks_have_a_language_a_text_and_a_line() {
        let blocks = blocks(SAMPLE);
        let languages: Vec<&str> = blocks.iter().map(|block| block.language.as_str()).collect();
        assert_eq!(languages, ["sh", "json", "sh", "json", "sh", "json", "js", "js no-run"]);
        assert_eq!((blocks[0].text.as_str(), blocks[0].line), ("cargo xtask serve\n", 3));
    }

    #[test]
    fn examples_are_curl_blocks_with_the_output_of_the_same_section() {
        let examples = curl_examples(SAMPLE);
        assert_eq!(examples.len(), 2);
        assert!(examples[0].output.as_ref().unwrap().text.contains("updateTime"));
        assert_eq!(examples[1].output, None);
        assert_eq!(curl_examples("# Nothing\n\n```sh\necho curl\n```\n"), []);
    }

    #[test]
    fn javascript_says_what_it_prints() {
        let examples = js_examples(SAMPLE);
        assert_eq!(examples.len(), 1);
        assert_eq!(printed(&examples[0].text), ["2"]);
    }

    #[test]
    fn the_servers_address_is_replaced() {
        let text = with_server("http://127.0.0.1:8787/a http://localhost:8787/b", "http://h:1");
        assert_eq!(text, "http://h:1/a http://h:1/b");
    }

    #[test]
    fn times_and_ulids_may_differ_unless_a_command_has_them() {
        let json =
            |text: &str| super::Block { text: text.to_owned(), ..super::Block::at(1, 0, "json") };
        let command = "-d '{\"t\": \"2026-11-21T10:00:00Z\"}'";
        let expected = json(
            r#"{"at":"2026-11-21T10:00:01.5Z","t":"2026-11-21T10:00:00Z","id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#,
        );
        let printed = |t: &str, n: &str| {
            format!(
                r#"{{"t":"{t}","id":"01BX5ZZKBKACTAV9WEVGEMMVRZ","at":"2027-01-01T00:00:00Z"{n}}}"#
            )
        };
        assert_eq!(compare(&expected, &printed("2026-11-21T10:00:00Z", ""), command), Ok(()));
        assert!(compare(&expected, &printed("2026-11-21T10:00:09Z", ""), command).is_err());
        assert!(
            compare(&expected, &printed("2026-11-21T10:00:00Z", r#","n":1"#), command).is_err()
        );
        assert!(compare(&expected, "", command).is_err());
        assert_eq!(compare(&json("{\"a\":1}\n{\"b\":2}"), "{ \"a\": 1 }{\"b\":2}", ""), Ok(()));
        let text = super::Block { language: "text".to_owned(), ..json("one\ntwo  \n") };
        assert_eq!(compare(&text, "one\ntwo\n\n", ""), Ok(()));
        assert!(compare(&text, "one\n", "").is_err());
    }
}
