module github.com/libreplicant/libreplicant/go

go 1.23
