//! `cargo xtask`: everything the README names.

mod admin;
mod admin_key;
#[cfg(feature = "bench")]
mod bench;
mod browser;
mod bundle;
mod check;
mod cli;
mod demo_data;
mod group;
mod keys;
mod npm;
#[cfg(not(feature = "bench"))]
mod optimised;
mod process;
mod rules;
mod rust;
mod serve;
mod setup;
mod steps;
mod test;
mod workspace;
mod wrangler;

fn main() -> std::process::ExitCode {
    match cli::run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
