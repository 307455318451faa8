//! The panel to sign in: with an email address and a password, or with a provider.

use super::focus::focus;
use crate::model::sign_in::{Input, Intent, Problem, check};
use crate::model::ways::{Ways, provider_label};
use crate::state::account::Account;
use leptos::ev::{MouseEvent, SubmitEvent};
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// The id of the panel's heading.
const TITLE: &str = "sign-in-title";
/// The id of what says what is wrong.
const PROBLEM: &str = "sign-in-problem";

/// What is typed, and what came of it.
#[derive(Clone, Copy)]
struct Entering {
    account: Account,
    email: RwSignal<String>,
    password: RwSignal<String>,
    problem: RwSignal<Option<Problem>>,
    intent: RwSignal<Intent>,
    is_busy: RwSignal<bool>,
    email_input: NodeRef<html::Input>,
    password_input: NodeRef<html::Input>,
}

impl Entering {
    fn new(account: Account) -> Self {
        Entering {
            account,
            email: RwSignal::default(),
            password: RwSignal::default(),
            problem: RwSignal::default(),
            intent: RwSignal::default(),
            is_busy: RwSignal::new(false),
            email_input: NodeRef::new(),
            password_input: NodeRef::new(),
        }
    }

    fn enter(self) {
        let intent = self.intent.get_untracked();
        let email = self.email.get_untracked().trim().to_owned();
        let password = self.password.get_untracked();
        if let Err(problem) = check(intent, &email, &password) {
            return self.fail(problem);
        }
        self.wait_for(self.account.enter(intent, email, password));
    }

    fn enter_with(self, provider: String) {
        self.wait_for(self.account.enter_with(provider));
    }

    fn wait_for(self, answer: impl Future<Output = Result<(), Problem>> + 'static) {
        if self.is_busy.get_untracked() {
            return;
        }
        self.is_busy.set(true);
        self.problem.set(None);
        spawn_local(async move {
            let answer = answer.await;
            self.is_busy.set(false);
            if let Err(problem) = answer {
                self.fail(problem);
            }
        });
    }

    /// Says what is wrong, where it is to be put right.
    fn fail(self, problem: Problem) {
        let input = match problem.input {
            Some(Input::Email) => self.email_input,
            Some(Input::Password) | None => self.password_input,
        };
        self.problem.set(Some(problem));
        focus(input.get_untracked().map(Into::into));
    }

    /// Forgets what is nobody's to find.
    fn forget(self) {
        self.password.set(String::new());
        self.problem.set(None);
    }

    fn is_wrong(self, input: Input) -> bool {
        self.problem
            .with(|problem| problem.as_ref().is_some_and(|problem| problem.input == Some(input)))
    }
}

/// A dialog at the top of the page, while it is open.
#[component]
pub(crate) fn SignInPanel() -> impl IntoView {
    let account = expect_context::<Account>();
    let entering = Entering::new(account);
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        let (is_open, Some(dialog)) = (account.is_panel_open.get(), dialog.get()) else { return };
        match (is_open, dialog.open()) {
            // It is in the page, and so it can be shown.
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    // What is around the panel belongs to the dialog too.
    let press = move |event: MouseEvent| {
        if event.target() == event.current_target() {
            account.is_panel_open.set(false);
        }
    };
    let close = move |_| {
        account.is_panel_open.set(false);
        entering.forget();
    };
    let ways = Memo::new(move |_| account.ways.get().unwrap_or_default());
    let providers = move || ways.with(|ways| ways.providers.clone());
    view! {
        <dialog node_ref=dialog class="sign-in" aria-labelledby=TITLE data-testid="panel" on:click=press on:close=close>
            <div class="panel">
                <header class="panel-head">
                    <h2 id=TITLE>"Sign in"</h2>
                    <button class="icon" aria-label="Close" on:click=move |_| account.is_panel_open.set(false)>"✕"</button>
                </header>
                <p class="hint">"Guests watch. With an account you claim a country, and edit it."</p>
                <Show when=move || ways.with(|ways| ways.passwords)>
                    <PasswordForm entering ways />
                </Show>
                <div class="providers">
                    <For
                        each=providers
                        key=String::clone
                        children=move |name| {
                            let label = format!("Continue with {}", provider_label(&name));
                            let testid = format!("provider-{name}");
                            view! {
                                <button data-testid=testid on:click=move |_| entering.enter_with(name.clone())>{label}</button>
                            }
                        }
                    />
                </div>
                <p id=PROBLEM class="problem" role="alert" data-testid="sign-in-problem">
                    {move || entering.problem.get().map(|problem| problem.text)}
                </p>
            </div>
        </dialog>
    }
}

#[component]
fn PasswordForm(entering: Entering, ways: Memo<Ways>) -> impl IntoView {
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        entering.enter();
    };
    view! {
        // Enter presses the first of its buttons.
        <form class="sign-in-form" novalidate on:submit=submit>
            <label for="email">"Email address"</label>
            <input
                id="email"
                node_ref=entering.email_input
                type="email"
                autocomplete="username"
                autofocus
                aria-describedby=PROBLEM
                aria-invalid=move || entering.is_wrong(Input::Email).to_string()
                data-testid="email"
                prop:value=move || entering.email.get()
                on:input:target=move |event| {
                    entering.problem.set(None);
                    entering.email.set(event.target().value());
                }
            />
            <label for="password">"Password"</label>
            <input
                id="password"
                node_ref=entering.password_input
                type="password"
                autocomplete="current-password"
                aria-describedby=PROBLEM
                aria-invalid=move || entering.is_wrong(Input::Password).to_string()
                data-testid="password"
                prop:value=move || entering.password.get()
                on:input:target=move |event| {
                    entering.problem.set(None);
                    entering.password.set(event.target().value());
                }
            />
            <div class="sign-in-actions" aria-busy=move || entering.is_busy.get().to_string()>
                <EnterButton entering intent=Intent::SignIn label="Sign in" testid="sign-in" />
                <Show when=move || ways.with(|ways| ways.sign_up)>
                    <EnterButton entering intent=Intent::SignUp label="Create account" testid="sign-up" />
                </Show>
            </div>
        </form>
    }
}

#[component]
fn EnterButton(
    entering: Entering,
    intent: Intent,
    label: &'static str,
    testid: &'static str,
) -> impl IntoView {
    view! {
        <button
            type="submit"
            class:primary=intent == Intent::SignIn
            aria-disabled=move || entering.is_busy.get().to_string()
            data-testid=testid
            on:click=move |_| entering.intent.set(intent)
        >
            {label}
        </button>
    }
}
