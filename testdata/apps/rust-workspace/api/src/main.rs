fn main() -> std::io::Result<()> {
    core_lib::serve(&core_lib::greeting("the api"))
}
