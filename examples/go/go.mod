module github.com/libreplicant/libreplicant/examples/go

go 1.23

require github.com/libreplicant/libreplicant/go v0.0.0

replace github.com/libreplicant/libreplicant/go => ../../go
