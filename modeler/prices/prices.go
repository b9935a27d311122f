// Package prices reads price lists: the one that comes with the models, and the file of one's own that PRICES names. What
// is wrong in either is said with file and line, before any cost is computed with it.
package prices

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"claude-analytics/modeler/project"
)

// Where a project has its price lists.
const (
	listSeed = "seeds/price_list.csv"
	ownSeed  = "seeds/own_prices.csv"
)

// Own is a file of one's own prices.
type Own struct {
	Name string // as it was given; its ending says how it is written: .csv, .yml, .yaml
	Text []byte
}

// Into checks the project's price list and one's own, and returns the project with one's own rows in it. A project
// without price lists is returned as it is. The error is a project.Faults.
func Into(fsys fs.FS, own *Own) (fs.FS, error) {
	list, err := fs.ReadFile(fsys, listSeed)
	if errors.Is(err, fs.ErrNotExist) {
		return fsys, nil
	}
	if err != nil {
		return nil, project.Faults{{File: listSeed, Message: err.Error()}}
	}
	_, faults := Read(listSeed, list)
	if own == nil {
		return fsys, asError(faults)
	}
	rows, more := Read(own.Name, own.Text)
	if faults = append(faults, more...); len(faults) > 0 {
		return nil, faults
	}
	return replaced{FS: fsys, name: ownSeed, text: seed(rows)}, nil
}

func asError(faults project.Faults) error {
	if len(faults) == 0 {
		return nil
	}
	return faults
}

// Row is one price. Its fields are texts that were found good; what may be left out is filled in.
type Row struct {
	Line   int
	Fields map[string]string

	from, to time.Time // zero: no bound
}

// Read reads and checks a price list.
func Read(name string, text []byte) ([]Row, project.Faults) {
	var faults project.Faults
	var rows []Row
	switch strings.ToLower(path.Ext(name)) {
	case ".yml", ".yaml":
		rows = readYAML(name, text, &faults)
	case ".csv":
		rows = readCSV(name, text, &faults)
	default:
		faults = append(faults, project.Fault{File: name, Message: "a price list is a .csv, .yml or .yaml file"})
	}
	for i := range rows {
		rows[i].check(name, &faults)
	}
	if len(faults) == 0 {
		checkOverlaps(name, rows, &faults)
	}
	return rows, faults
}

func fault(faults *project.Faults, name string, line int, format string, args ...any) {
	*faults = append(*faults, project.Fault{File: name, Line: line, Message: fmt.Sprintf(format, args...)})
}

func readCSV(name string, text []byte, faults *project.Faults) []Row {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	r.TrimLeadingSpace, r.Comment = true, '#'
	var head []string
	var rows []Row
	for {
		record, err := r.Read()
		var bad *csv.ParseError
		switch {
		case errors.As(err, &bad):
			fault(faults, name, bad.Line, "%v", bad.Err)
			return nil
		case errors.Is(err, io.EOF):
			if head == nil {
				fault(faults, name, 1, "no head: the first line names the columns, such as model_id,input_usd,output_usd,…")
			}
			return rows
		case err != nil:
			fault(faults, name, 0, "%v", err)
			return nil
		}
		line, _ := r.FieldPos(0)
		if head == nil {
			head = record
			seen := map[string]bool{}
			for _, column := range head {
				switch _, known := columns[column]; {
				case !known:
					fault(faults, name, line, "unknown column %q: the columns are %s", column, strings.Join(order, ", "))
				case seen[column]:
					fault(faults, name, line, "column %s stands twice", column)
				}
				seen[column] = true
			}
			continue
		}
		row := Row{Line: line, Fields: map[string]string{}}
		for i, value := range record {
			row.Fields[head[i]] = strings.TrimSpace(value)
		}
		rows = append(rows, row)
	}
}

// seed writes rows as the project's seed.
func seed(rows []Row) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write(order) // a buffer takes everything
	for _, row := range rows {
		record := make([]string, len(order))
		for i, column := range order {
			record[i] = row.Fields[column]
		}
		_ = w.Write(record)
	}
	w.Flush()
	return out.Bytes()
}

// replaced is a file system with one file's text replaced.
type replaced struct {
	fs.FS
	name string
	text []byte
}

// Open gives the other text in place of the file's; directories still list the file.
func (r replaced) Open(name string) (fs.File, error) {
	file, err := r.FS.Open(name)
	if err != nil || name != r.name {
		return file, err
	}
	return &replacedFile{File: file, Reader: bytes.NewReader(r.text)}, nil
}

type replacedFile struct {
	fs.File
	*bytes.Reader
}

// Read reads the other text.
func (f *replacedFile) Read(p []byte) (int, error) { return f.Reader.Read(p) }
