package modeler

import (
	"embed"
	"io/fs"
)

//go:embed all:models
var embedded embed.FS

// Models is the dbt project that the program carries: the root of the file system is the project's.
func Models() fs.FS {
	sub, err := fs.Sub(embedded, "models")
	if err != nil {
		panic(err) // the name is a constant that go:embed has checked
	}
	return sub
}
