//! The `virtarium` command.

fn main() -> std::process::ExitCode {
    virtarium::app::main()
}
