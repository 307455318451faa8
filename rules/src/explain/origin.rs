//! Where an error comes from, and what a query does not tell.

use super::super::expr::{Expr, Function, Node, Operator};
use super::super::value::{Fail, Val};
use super::{Explainer, Method, shown, typed};
use blaze_schema::limits::RULE_LOOKUPS;

/// The parts of an expression that are always evaluated, where it is.
pub(super) fn parts(node: &Node) -> Vec<&Node> {
    match &node.expr {
        Expr::User(..) => Vec::new(),
        Expr::Comprehension(inner) => vec![&inner.range],
        _ => node.parts(),
    }
}

impl<'a> Explainer<'a> {
    /// Says which part of an expression that is in error is the first without a value, and why.
    pub(super) fn error(&mut self, node: &'a Node) {
        if self.is_full() {
            return;
        }
        match &node.expr {
            Expr::User(number, arguments) => {
                self.inside(*number, arguments, |own, function| own.error(&function.body));
                return;
            }
            Expr::Local(local) if self.defined(*local, |own, node| own.error(node)).is_some() => {
                return;
            }
            Expr::And(..) | Expr::Or(..) | Expr::Not(_) | Expr::If(_) => {
                return self.why(node, true);
            }
            _ => {}
        }
        for part in parts(node) {
            if matches!(self.value(part), Err(Fail::Error)) {
                return self.error(part);
            }
        }
        let what = self.fault(node);
        self.say(node, &what);
    }

    /// Why a part has no value whose own parts have.
    fn fault(&mut self, node: &'a Node) -> String {
        match &node.expr {
            Expr::Select(of, field) => match self.value(of) {
                Ok(Val::Null) => {
                    let because = self.because(of);
                    format!("is in error: {} is null{because}", self.quote(of))
                }
                Ok(Val::Object(_) | Val::Map(_)) => "is missing".to_owned(),
                Ok(value) => {
                    format!(
                        "is in error: {} is {}, and has no {field:?}",
                        self.quote(of),
                        typed(&value)
                    )
                }
                Err(_) => "is in error".to_owned(),
            },
            Expr::Binary(Operator::Index, operands) => match self.value(&operands.0) {
                Ok(Val::Object(_) | Val::Map(_)) => "is missing".to_owned(),
                _ => self.unfit(node),
            },
            Expr::Call(
                Function::Get | Function::GetAfter | Function::Exists | Function::ExistsAfter,
                _,
            ) => format!(
                "is in error: {}, or more than {RULE_LOOKUPS} documents are looked up",
                self.operands(node).join(", ")
            ),
            _ => self.unfit(node),
        }
    }

    /// An operation that is not there for its operands.
    fn unfit(&mut self, node: &'a Node) -> String {
        let mut kinds = Vec::new();
        for part in parts(node) {
            if let Ok(value) = self.value(part) {
                let because =
                    if matches!(value, Val::Null) { self.because(part) } else { String::new() };
                let value = match value {
                    Val::Int(_) => shown(&value, self.values),
                    _ => typed(&value),
                };
                kinds.push(format!("{} is {value}{because}", self.quote(part)));
            }
        }
        match kinds.as_slice() {
            [] => "is in error".to_owned(),
            _ => format!("is in error: {}", kinds.join(", ")),
        }
    }

    /// Why a part is null, where that is known.
    fn because(&mut self, node: &'a Node) -> String {
        match &node.expr {
            Expr::Resource => ", for the document does not exist".to_owned(),
            Expr::Select(of, field) if of.expr == Expr::Request => match &**field {
                "auth" => ", for nobody is signed in".to_owned(),
                "resource" if self.own.context.method == Method::Delete => {
                    ", for the document is deleted".to_owned()
                }
                "resource" => ", for nothing is written".to_owned(),
                "query" => ", for it is not a query".to_owned(),
                _ => String::new(),
            },
            Expr::Call(Function::Get | Function::GetAfter, arguments) => {
                let path = arguments.first().map(|path| self.value(path));
                let path = path.and_then(Result::ok).map(|path| shown(&path, self.values));
                format!(", for there is no document {}", path.unwrap_or_default())
            }
            Expr::Local(local) => {
                let because = self.defined(*local, |own, node| own.because(node));
                because.unwrap_or_default()
            }
            _ => String::new(),
        }
    }

    /// Says which part of an expression a query does not tell.
    pub(super) fn unknown(&mut self, node: &'a Node) {
        if let Expr::User(number, arguments) = &node.expr {
            self.inside(*number, arguments, |own, function| own.unknown(&function.body));
            return;
        }
        let mut hint = String::new();
        for part in parts(node) {
            let value = self.value(part);
            if matches!(value, Err(Fail::Unknown)) {
                return self.unknown(part);
            }
            if let Ok(Val::Part(keys)) = value {
                let keys: Vec<&str> = keys.iter().map(|key| &**key).collect();
                if !keys.is_empty() {
                    hint = format!("; a filter of {:?} would", keys.join("."));
                }
            }
        }
        let what =
            format!("is not known of all that the query may find: its filters do not tell{hint}");
        self.say(node, &what);
    }
}
