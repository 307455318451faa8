//! `cargo xtask`: everything the README names.

#[cfg(feature = "bench")]
mod bench;
mod browser;
mod bundle;
mod check;
mod cli;
mod demo_data;
mod npm;
#[cfg(not(feature = "bench"))]
mod optimised;
mod process;
mod rust;
mod serve;
mod setup;
mod standalone;
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
