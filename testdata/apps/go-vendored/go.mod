module example.com/vendored/v2

go 1.24.0

require example.com/greeting v1.2.0
