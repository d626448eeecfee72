fn main() {
    println!("{}", rust_bins::hello("report"));
}
