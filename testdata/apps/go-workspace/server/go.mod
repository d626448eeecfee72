module example.com/server

go 1.24.1

require example.com/words v0.0.0
