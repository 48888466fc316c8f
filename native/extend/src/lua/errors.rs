//! mlua's errors as failures: a reason in one line, and Lua's stack.

use mlua::Error;

use crate::{Failure, FailureCause};

const STACK: &str = "\nstack traceback:\n";
/// What Luau raises when an allocation was refused, alone and without a stack.
const OUT_OF_MEMORY: &str = "not enough memory";

/// What happened, told by the error alone.
pub(super) fn failure(error: &Error) -> Failure {
    match error {
        Error::MemoryError(_) => Failure::new(FailureCause::Memory, OUT_OF_MEMORY),
        Error::RuntimeError(text) if text == OUT_OF_MEMORY => Failure::new(FailureCause::Memory, OUT_OF_MEMORY),
        Error::RuntimeError(text) => from_text(text),
        Error::CallbackError { traceback, cause } => {
            let mut failure = failure(cause);
            if failure.stack.is_empty() {
                failure.stack = stack_lines(traceback.strip_prefix(STACK.trim_start()).unwrap_or(traceback));
            }
            failure
        }
        Error::SyntaxError { message, .. } => Failure::new(FailureCause::Error, message.clone()),
        other => from_text(&other.to_string()),
    }
}

fn from_text(text: &str) -> Failure {
    let (reason, stack) = text.split_once(STACK).unwrap_or((text, ""));
    Failure { cause: FailureCause::Error, reason: reason.to_owned(), stack: stack_lines(stack) }
}

fn stack_lines(stack: &str) -> String {
    // The last frame of C is the one that made this text.
    let lines = stack.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "[C]: in ?");
    lines.collect::<Vec<_>>().join("\n")
}
