//! The `verismo` program: everything is in the library, beginning with [`verismo::cli`].

fn main() -> std::process::ExitCode {
    verismo::cli::main()
}
