module example.com/native

go 1.25.0
