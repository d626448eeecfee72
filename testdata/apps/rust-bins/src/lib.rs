/// What all programs of the package say.
pub fn hello(who: &str) -> String {
    format!("hello from {who}, {}", env!("MADE_BY"))
}
