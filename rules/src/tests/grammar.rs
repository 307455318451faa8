//! The parser of expressions against that of the crate `cel`: both refuse the same texts, and make the same tree of the
//! others. And the bytes of each node against the parser itself.

use super::cases;
use crate::expr::{Constant, Expr, Function, Macro, Node, Operator, Style};
use crate::frame::{Frame, Scope};
use crate::parse::{Names, parse};
use crate::scan::scan;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr as Tree, IdedExpr, LiteralValue, operators,
};
use cel::parser::PrattParser;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;

const LOCALS: [&str; 3] = ["a", "b", "c"];

/// The tree of an expression, or what is wrong.
fn parsed(text: &str, locals: &[&str]) -> Result<Node, Vec<(usize, String)>> {
    let (source, mut faults) = (format!("{text};"), Vec::new());
    let tokens = scan(&source, &mut faults);
    let end = tokens.len().saturating_sub(1);
    let frame = Frame { scopes: vec![Scope::default()], ..Frame::default() };
    let locals = locals.iter().map(|name| (*name).to_owned()).collect();
    let calls = BTreeSet::new();
    let mut names = Names { frame: &frame, scope: 0, locals, wildcards: Vec::new(), calls };
    let node = parse(&source, &tokens, 0..end, &mut names, &mut faults);
    if faults.is_empty() {
        return Ok(node);
    }
    Err(faults.into_iter().map(|fault| (fault.at, fault.message)).collect())
}

fn number(text: &str) -> String {
    text.strip_prefix("--").unwrap_or(text).to_owned()
}

fn joined(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

/// Our tree as a text, with brackets around everything. A negated number is the same as a negative one.
fn ours(node: &Node) -> String {
    let all = |nodes: &[Node]| joined(nodes.iter().map(ours));
    match &node.expr {
        Expr::Constant(Constant::Null) => "null".to_owned(),
        Expr::Constant(Constant::Bool(boolean)) => boolean.to_string(),
        Expr::Constant(Constant::Int(int)) => int.to_string(),
        Expr::Constant(Constant::Float(float)) => format!("{float:?}"),
        Expr::Constant(Constant::Text(text)) => format!("{text:?}"),
        Expr::Constant(Constant::Bytes(bytes)) => format!("bytes {bytes:?}"),
        Expr::Local(local) => format!("${local}"),
        Expr::Select(of, field) => format!("({}).{field}", ours(of)),
        Expr::Has(of, field) => format!("has ({}).{field}", ours(of)),
        Expr::Not(of) => format!("!({})", ours(of)),
        Expr::Negate(of) => match &of.expr {
            Expr::Constant(Constant::Int(_) | Constant::Float(_)) => {
                number(&format!("-{}", ours(of)))
            }
            _ => format!("-({})", ours(of)),
        },
        Expr::And(left, right) => format!("({} && {})", ours(left), ours(right)),
        Expr::Or(left, right) => format!("({} || {})", ours(left), ours(right)),
        Expr::If(parts) => {
            format!("({} ? {} : {})", ours(&parts.0), ours(&parts.1), ours(&parts.2))
        }
        Expr::Binary(operator, parts) => {
            format!("({} {operator:?} {})", ours(&parts.0), ours(&parts.1))
        }
        Expr::List(elements) => format!("[{}]", all(elements)),
        Expr::Map(entries) => {
            let entry = |(key, value): &(Node, Node)| format!("{}: {}", ours(key), ours(value));
            format!("{{{}}}", joined(entries.iter().map(entry)))
        }
        Expr::Call(function, arguments) => format!("{function:?}({})", all(arguments)),
        Expr::Comprehension(inner) => {
            let condition = inner.condition.as_ref().map(ours);
            let (range, body) = (ours(&inner.range), ours(&inner.body));
            format!("{:?} ${} of {range}: {condition:?} {body}", inner.kind, inner.local)
        }
        // CEL has no such thing, and refuses it.
        Expr::Path(segments) => format!("path({})", all(segments)),
        Expr::Is(of, kind) => format!("({} is {kind:?})", ours(of)),
        other => panic!("{other:?} is not in the tests' expressions"),
    }
}

/// True if a tree has nodes that CEL has not.
fn is_firestores(node: &Node) -> bool {
    matches!(node.expr, Expr::Path(_) | Expr::Is(..) | Expr::Call(Function::Slice, _))
        || node.parts().into_iter().any(is_firestores)
}

/// The tree of `cel` in the same way; nothing if it has what rules have not.
fn theirs(node: &IdedExpr, locals: &mut Vec<String>) -> Option<String> {
    let mut all = |nodes: &[IdedExpr]| -> Option<String> {
        let all: Option<Vec<String>> = nodes.iter().map(|node| theirs(node, locals)).collect();
        all.map(joined)
    };
    Some(match &node.expr {
        Tree::Literal(literal) => match literal {
            LiteralValue::Null => "null".to_owned(),
            LiteralValue::Boolean(boolean) => boolean.inner().to_string(),
            LiteralValue::Int(int) => int.inner().to_string(),
            LiteralValue::Double(float) => format!("{:?}", float.inner()),
            LiteralValue::String(text) => format!("{:?}", text.inner()),
            LiteralValue::Bytes(bytes) => format!("bytes {:?}", bytes.inner()),
            LiteralValue::UInt(_) => return None,
        },
        Tree::Ident(name) => {
            format!("${}", locals.iter().rposition(|other| other == name)?)
        }
        Tree::Select(select) => {
            let has = if select.test { "has " } else { "" };
            format!("{has}({}).{}", theirs(&select.operand, locals)?, select.field)
        }
        Tree::List(list) => format!("[{}]", all(&list.elements)?),
        Tree::Map(map) => {
            let mut entries = Vec::new();
            for entry in &map.entries {
                let EntryExpr::MapEntry(entry) = &entry.expr else { return None };
                let key = theirs(&entry.key, locals)?;
                entries.push(format!("{key}: {}", theirs(&entry.value, locals)?));
            }
            format!("{{{}}}", joined(entries))
        }
        Tree::Call(call) => return their_call(call, locals),
        Tree::Comprehension(inner) => return their_macro(inner, locals),
        Tree::Struct(_) | Tree::Unspecified => return None,
    })
}

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        operators::ADD => Operator::Add,
        operators::SUBSTRACT => Operator::Subtract,
        operators::MULTIPLY => Operator::Multiply,
        operators::DIVIDE => Operator::Divide,
        operators::MODULO => Operator::Remainder,
        operators::EQUALS => Operator::Equal,
        operators::NOT_EQUALS => Operator::NotEqual,
        operators::LESS => Operator::Less,
        operators::LESS_EQUALS => Operator::LessOrEqual,
        operators::GREATER => Operator::Greater,
        operators::GREATER_EQUALS => Operator::GreaterOrEqual,
        operators::IN => Operator::In,
        operators::INDEX => Operator::Index,
        _ => return None,
    })
}

fn their_call(call: &CallExpr, locals: &mut Vec<String>) -> Option<String> {
    let operands = call.target.iter().map(|target| &**target).chain(&call.args);
    let parts: Option<Vec<String>> = operands.map(|part| theirs(part, locals)).collect();
    let (name, parts) = (call.func_name.as_str(), parts?);
    Some(match (name, parts.as_slice()) {
        (operators::LOGICAL_AND, [left, right]) => format!("({left} && {right})"),
        (operators::LOGICAL_OR, [left, right]) => format!("({left} || {right})"),
        (operators::LOGICAL_NOT, [operand]) => format!("!({operand})"),
        (operators::NEGATE, [operand]) => match &call.args[0].expr {
            Tree::Literal(LiteralValue::Int(_) | LiteralValue::Double(_)) => {
                number(&format!("-{operand}"))
            }
            _ => format!("-({operand})"),
        },
        (operators::CONDITIONAL, [condition, yes, no]) => format!("({condition} ? {yes} : {no})"),
        (name, [left, right]) if operator(name).is_some() => {
            format!("({left} {:?} {right})", operator(name)?)
        }
        _ => {
            let style = if call.target.is_some() { Style::Method } else { Style::Global };
            let function = Function::find(style, name, call.args.len()).ok()?;
            format!("{function:?}({})", joined(parts))
        }
    })
}

/// A macro, told by what it adds up from element to element.
fn their_macro(tree: &ComprehensionExpr, locals: &mut Vec<String>) -> Option<String> {
    let range = theirs(&tree.iter_range, locals)?;
    let Tree::Call(step) = &tree.loop_step.expr else { return None };
    let (kind, condition, body) =
        match (step.func_name.as_str(), step.args.as_slice(), &tree.accu_init.expr) {
            (operators::LOGICAL_AND, [_, body], _) => (Macro::All, None, body),
            (operators::LOGICAL_OR, [_, body], _) => (Macro::Exists, None, body),
            (operators::CONDITIONAL, [body, ..], Tree::Literal(_)) => {
                (Macro::ExistsOne, None, body)
            }
            (operators::CONDITIONAL, [condition, added, _], Tree::List(_)) => {
                (Macro::Map, Some(condition), appended(added)?)
            }
            (operators::ADD, ..) => (Macro::Map, None, appended(&tree.loop_step)?),
            _ => return None,
        };
    let local = locals.len();
    locals.push(tree.iter_var.clone());
    let condition = match condition {
        Some(condition) => Some(theirs(condition, locals)?),
        None => None,
    };
    let body = theirs(body, locals)?;
    locals.truncate(local);
    Some(format!("{kind:?} ${local} of {range}: {condition:?} {body}"))
}

/// The element of `list + [element]`.
fn appended(tree: &IdedExpr) -> Option<&IdedExpr> {
    let Tree::Call(add) = &tree.expr else { return None };
    let [_, IdedExpr { expr: Tree::List(list), .. }] = add.args.as_slice() else { return None };
    list.elements.first()
}

/// The trees that both make of a text; none if they refuse it.
fn both(text: &str) -> (Option<String>, Option<String>) {
    let own = parsed(text, &LOCALS).ok().filter(|node| !is_firestores(node));
    let tree = PrattParser::new().parse(text).ok();
    let mut locals = LOCALS.map(str::to_owned).to_vec();
    (own.as_ref().map(ours), tree.and_then(|tree| theirs(&tree, &mut locals)))
}

/// Expressions with few brackets, so that precedence matters; some are none, such as `a ? b ? c : 1 : 2`.
fn expressions(firestores: bool) -> BoxedStrategy<String> {
    let leaf = select(vec![
        "a",
        "b",
        "c",
        "x",
        "1",
        "- 1",
        "0x1F",
        "1.5e+3",
        ".5",
        "'t'",
        "br'\\'",
        "null",
        "true",
        "[ ]",
        "{ }",
        "1u",
        "a.f",
        "size ( b )",
    ]);
    let signs = vec![
        "||", "&&", "||", "&&", "==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%",
    ];
    let macros = vec!["all", "exists", "exists_one", "existsOne", "map", "filter"];
    leaf.prop_map(str::to_owned)
        .prop_recursive(6, 40, 3, move |inner| {
            let (one, two) = (|| inner.clone(), || (inner.clone(), inner.clone()));
            let three = || (inner.clone(), inner.clone(), inner.clone());
            let infix = (one(), select(signs.clone()), one());
            let many = prop::collection::vec(one(), 2..9);
            let called = (one(), select(macros.clone()), one());
            let common = prop_oneof![
                12 => infix.prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
                2 => (many, select(vec![" && ", " || "])).prop_map(|(all, sign)| all.join(sign)),
                2 => three().prop_map(|(a, b, c)| format!("{a} ? {b} : {c}")),
                1 => three().prop_map(|(a, b, c)| format!("{a} ? ( {b} ) : {c}")),
                2 => (select(vec!["!", "-", "! !", "- - -", "! -"]), one())
                    .prop_map(|(signs, a)| format!("{signs} {a}")),
                6 => one().prop_map(|a| format!("( {a} )")),
                1 => one().prop_map(|a| format!("( ( {a} ) )")),
                2 => one().prop_map(|a| format!("{a} . f")),
                2 => two().prop_map(|(a, b)| format!("{a} [ {b} ]")),
                1 => two().prop_map(|(a, b)| format!("[ {a} , {b} ]")),
                1 => two().prop_map(|(a, b)| format!("{{ {a} : {b} , }}")),
                1 => one().prop_map(|a| format!("{a} . size ( )")),
                1 => two().prop_map(|(a, b)| format!("{a} . startsWith ( {b} )")),
                1 => one().prop_map(|a| format!("has ( {a} . f )")),
                2 => called.prop_map(|(a, name, b)| format!("{a} . {name} ( x , {b} )")),
                1 => three().prop_map(|(a, b, c)| format!("{a} . map ( x , {b} , {c} )")),
            ]
            .boxed();
            if !firestores {
                return common;
            }
            prop_oneof![
                6 => common,
                1 => three().prop_map(|(a, b, c)| format!("{a} [ {b} : {c} ]")),
                1 => two().prop_map(|(a, b)| format!("/u-1.5/$( {a} )/(default) [ {b} ]")),
                1 => one().prop_map(|a| format!("{a} is string")),
            ]
            .boxed()
        })
        .boxed()
}

/// Expressions with a few words taken out, put in or exchanged.
fn broken() -> impl Strategy<Value = String> {
    let words = vec![
        "a", "x", "1", "'t'", "(", ")", "[", "]", "{", "}", ",", ":", "?", ".", "f", "+", "-", "!",
        "&&", "||", "in", "==", "=", "size", "has", "all", "as", "@", "/",
    ];
    let edit = (any::<prop::sample::Index>(), 0_u8..3, select(words));
    (expressions(false), prop::collection::vec(edit, 1..3)).prop_map(|(text, edits)| {
        let mut words: Vec<&str> = text.split(' ').collect();
        for (at, kind, word) in edits {
            let at = at.index(words.len());
            match kind {
                0 if words.len() > 1 => drop(words.remove(at)),
                1 => words[at] = word,
                _ => words.insert(at, word),
            }
        }
        words.join(" ")
    })
}

/// Texts and bytes with escapes, whole and broken.
fn literals() -> impl Strategy<Value = String> {
    let parts = vec![
        "\\a\\b\\f\\r\\t\\v",
        "\\",
        "\\\\",
        "\\n",
        "\\x41",
        "\\xé",
        "\\u00e9",
        "\\ud800",
        "\\U0001f600",
        "\\101",
        "\\377",
        "\\400",
        "\\X",
        "'",
        "\"",
        "`",
        "\\`",
        "\\'",
        "\\\"",
        "\\q",
        "\\?",
        "a",
        "é",
        "r",
        "b",
        "0",
        "7",
        "F",
        "\r",
        "\r\n\\",
    ];
    let prefix = select(vec!["", "", "r", "R", "b", "B", "rb", "Br", "bb", "x"]);
    let quotes = select(vec!["'", "\"", "'''", "\"\"\""]);
    (prefix, quotes, prop::collection::vec(select(parts), 0..6))
        .prop_map(|(prefix, quotes, parts)| format!("{prefix}{quotes}{}{quotes}", parts.concat()))
}

/// The bytes of each node are an expression, and that is the node.
fn has_its_bytes(text: &str, node: &Node, locals: &mut Vec<&'static str>) {
    let part = &text[node.range()];
    let again = parsed(part, locals).unwrap_or_else(|faults| panic!("{part:?}: {faults:?}"));
    // Cut out of `- - - 1.f`, `- 1.f` is one of the number -1.
    let is_number =
        |text: &str| text.trim_start().starts_with(|c: char| c == '.' || c.is_numeric());
    if !(matches!(node.expr, Expr::Negate(_)) && is_number(&part[1..])) {
        assert_eq!(ours(&again), ours(node), "{part:?} of {text:?}");
    }
    let (outside, inside) = match &node.expr {
        Expr::Comprehension(inner) => {
            (vec![&inner.range], inner.condition.iter().chain([&inner.body]).collect())
        }
        // Literal segments are expressions only in their path.
        Expr::Path(segments) => {
            let is_text = |node: &&Node| !matches!(node.expr, Expr::Constant(Constant::Text(_)));
            (segments.iter().filter(is_text).collect(), Vec::new())
        }
        _ => (node.parts(), Vec::new()),
    };
    outside.into_iter().for_each(|part| has_its_bytes(text, part, locals));
    locals.push("x");
    inside.into_iter().for_each(|part: &Node| has_its_bytes(text, part, locals));
    locals.pop();
}

proptest! {
    #![proptest_config(cases(8))]
    #[test]
    fn both_make_the_same_tree(text in expressions(false)) {
        let (own, other) = both(&text);
        prop_assert_eq!(own, other, "{}", text);
    }

    #[test]
    fn both_refuse_the_same(text in broken()) {
        // There a macro's variable may stand in brackets.
        prop_assume!(!text.contains("( ( x )") && !text.contains(". x ,"));
        let (own, other) = both(&text);
        prop_assert_eq!(own, other, "{}", text);
    }

    #[test]
    fn both_read_the_same_literals(text in literals()) {
        let (own, other) = both(&text);
        // In rules a text of one pair of quotes ends on its line.
        prop_assume!(own.is_some() || !text.contains('\n'));
        prop_assert_eq!(own, other, "{}", text);
    }

    #[test]
    fn every_node_has_its_bytes(text in expressions(true)) {
        if let Ok(node) = parsed(&text, &LOCALS) {
            has_its_bytes(&text, &node, &mut LOCALS.to_vec());
        }
    }
}

/// The properties above would hold if everything were refused: how much is not.
#[test]
fn most_expressions_are_parsed() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut count = |expressions: BoxedStrategy<String>| {
        let texts = (0..1_000).map(|_| expressions.new_tree(&mut runner).unwrap().current());
        let texts: BTreeSet<String> = texts.filter(|text| parsed(text, &LOCALS).is_ok()).collect();
        texts.len()
    };
    let counts = [expressions(false), expressions(true), broken().boxed(), literals().boxed()];
    let counts = counts.map(&mut count);
    let wanted = [400, 400, 20, 200];
    assert!(counts.iter().zip(wanted).all(|(count, wanted)| *count > wanted), "{counts:?}");
}

#[test]
fn every_part_of_an_expression_has_its_text() {
    fn texts<'t>(text: &'t str, node: &Node, found: &mut BTreeSet<&'t str>) {
        found.insert(&text[node.range()]);
        node.parts().into_iter().for_each(|part| texts(text, part, found));
    }
    for (text, parts) in [
        (
            "(a.b || b) && !(c[1:2] == [a, 'e)']) && c.size() > -1",
            vec![
                "(a.b || b) && !(c[1:2] == [a, 'e)'])",
                "a.b || b",
                "a.b",
                "!(c[1:2] == [a, 'e)'])",
                "c[1:2] == [a, 'e)']",
                "c[1:2]",
                "[a, 'e)']",
                "'e)'",
                "c.size() > -1",
                "c.size()",
                "-1",
            ],
        ),
        (
            "get(/users/$(request.auth.uid)).data.team in a.map(x, (x).y) && ((a)) is string",
            vec![
                "get(/users/$(request.auth.uid)).data.team in a.map(x, (x).y)",
                "get(/users/$(request.auth.uid)).data.team",
                "get(/users/$(request.auth.uid))",
                "/users/$(request.auth.uid)",
                "users",
                "request.auth.uid",
                "a.map(x, (x).y)",
                "(x).y",
                "((a)) is string",
            ],
        ),
    ] {
        let mut found = BTreeSet::new();
        texts(text, &parsed(text, &LOCALS).unwrap(), &mut found);
        assert!(found.contains(text), "{found:#?}");
        for part in parts {
            assert!(found.contains(part), "{part}: {found:#?}");
        }
    }
}

#[test]
fn an_error_says_what_was_expected_and_where() {
    for (text, at, message) in [
        ("a + ", 4, "expected an expression, not \";\""),
        ("a == == b", 5, "expected an expression, not \"==\""),
        ("a b", 2, "expected an operator or \";\", not \"b\""),
        ("a.1", 1, "expected an operator or \";\", not \".1\""),
        ("(a", 2, "expected \")\", not \";\""),
        ("size(a,)", 7, "expected an expression, not \")\""),
        ("[1 2]", 3, "expected \"]\", not \"2\""),
        ("{a}", 2, "expected \":\", not \"}\""),
        ("a ? b ? c : 1 : 2", 6, "expected \":\", not \"?\""),
        ("a.+", 2, "expected the name of a field or of a method, not \"+\""),
        ("a.in", 2, "the name \"in\" is reserved"),
        ("a && as", 5, "the name \"as\" is reserved"),
        ("a[:1]", 1, "a slice has both bounds: x[from:to]"),
        ("a is 1", 5, "expected a type after \"is\", not \"1\""),
        ("a is string + b", 12, "expected an operator or \";\", not \"+\""),
        ("/a/$b", 4, "expected \"(\" after \"$\", not \"b\""),
        ("/a/ + 1", 4, "expected a segment of a path, not \"+\""),
        ("a.all(1, true)", 6, "expected the name of a variable, not \"1\""),
        ("a.all(x.y, true)", 7, "expected \",\", not \".\""),
        ("a.all(x, true, x)", 13, "expected \")\", not \",\""),
        ("has(a)", 4, "has() takes a field: has(map.field)"),
        ("1u", 0, "there are no unsigned numbers"),
        ("-9223372036854775809", 1, "-9223372036854775809 is not an int of 64 bits"),
        ("0x", 0, "0x is not an int of 64 bits"),
        ("1e999", 0, "1e999 is not a float"),
        ("'\\q'", 0, "the escape \"\\q\" has no meaning"),
        ("b'\\u0041'", 0, "the escape \"\\u\" has no meaning"),
        ("'\\ud800'", 0, "the escape \"\\u\" is followed by the digits of no character"),
        ("a == 'b", 5, "a text is not closed"),
    ] {
        let faults = parsed(text, &LOCALS).unwrap_err();
        assert_eq!(faults[0], (at, message.to_owned()), "{text}");
    }
    let names = parsed("f(a) || d.e + math.q(1) == size()", &LOCALS).unwrap_err();
    assert_eq!(names.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 8, 19, 27]);
}
