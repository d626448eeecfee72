fn main() {
    println!("cargo::rustc-env=MADE_BY=build.rs");
}
