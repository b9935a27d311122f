package prices

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"claude-analytics/modeler/project"
)

const head = "model_id,effective_from,effective_to,prompt_min,input_usd,output_usd,cache_read_usd,cache_write_5m_usd,cache_write_1h_usd\n"

func TestFaults(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"good", "p.csv", head + "m,,,,1,2,0.1,1.25,2\n# a note\nm,,,100001,2,4,.2,2,4\n", `p.csv:4: cache_read_usd ".2"`},
		{"overlap of open ranges", "p.csv", head + "m,,,,1,2,1,1,1\nm,,,0,1,2,1,1,1\n", "p.csv:3: m has another price for the same size of prompt in line 2: both hold from every day"},
		{"overlap by a day", "p.csv", head + "m,2026-02-01,,,1,2,1,1,1\nm,,2026-02-02,,1,2,1,1,1\n", "p.csv:3: m has another price for the same size of prompt in line 2: both hold from 2026-02-01"},
		{"one after the other", "p.csv", head + "m,2026-02-01,,,1,2,1,1,1\nm,,2026-02-01,,1,2,1,1,1\n", ""},
		{"other sizes of prompt", "p.csv", head + "m,,,,1,2,1,1,1\nm,,,5,1,2,1,1,1\n", ""},
		{"ends before it begins", "p.csv", head + "m,2026-02-01,2026-02-01,,1,2,1,1,1\n", "p.csv:2: effective_to 2026-02-01 must be after"},
		{"no price", "p.csv", head + "m,,,,1,,1,1,1\n", "p.csv:2: output_usd is missing"},
		{"too dear", "p.csv", head + "m,,,,100001,2,1,1,1\n", `p.csv:2: input_usd "100001"`},
		{"negative", "p.csv", head + "m,,,,-1,2,1,1,1\n", `p.csv:2: input_usd "-1"`},
		{"decorated", "p.csv", head + "claude-opus-4-5-20251101,,,,1,2,1,1,1\n", `write the model as requests are matched with it: "claude-opus-4-5"`},
		{"unknown column", "p.csv", "model,price\nm,1\n", `p.csv:1: unknown column "model"`},
		{"column twice", "p.csv", "model_id,model_id\nm,m\n", "p.csv:1: column model_id stands twice"},
		{"ragged", "p.csv", head + "m,,\n", "p.csv:2: wrong number of fields"},
		{"empty", "p.csv", "", "p.csv:1: no head"},
		{"other ending", "p.txt", head, "a price list is a .csv, .yml or .yaml file"},
		{"yaml", "p.yml", "- model_id: m\n  input_usd: 1\n  output_usd: 2\n  cache_read_usd: 0\n  cache_write_5m_usd: 0\n  cache_write_1h_usd: 0\n  effective_from: 2026-01-01\n", ""},
		{"yaml overlap", "p.yaml", "- {model_id: m, input_usd: 1, output_usd: 2, cache_read_usd: 0, cache_write_5m_usd: 0, cache_write_1h_usd: 0}\n" +
			"- {model_id: m, input_usd: 1, output_usd: 2, cache_read_usd: 0, cache_write_5m_usd: 0, cache_write_1h_usd: 0}\n", "p.yaml:2: m has another price"},
		{"yaml column", "p.yml", "- model_id: m\n  input: 1\n", `p.yml:2: unknown column "input"`},
		{"yaml mapping", "p.yml", "model_id: m\n", "p.yml:1: a price list is a list"},
		{"not yaml", "p.yml", "- a: [\n", "p.yml:"},
		{"yaml nested", "p.yml", "- model_id: [m]\n", "p.yml:1: model_id must be a plain value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, faults := Read(c.file, []byte(c.text))
			switch got := faults.Error(); {
			case c.want == "" && len(faults) > 0:
				t.Errorf("refused: %s", got)
			case c.want != "" && !strings.Contains(got, c.want):
				t.Errorf("%q, want it to say %q", got, c.want)
			}
		})
	}
}

// The list that comes with the program has no fault, and every price says where it was read and when.
func TestTheListItself(t *testing.T) {
	text, err := os.ReadFile("../models/" + listSeed)
	if err != nil {
		t.Fatal(err)
	}
	rows, faults := Read(listSeed, text)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	known, err := os.ReadFile("../models/seeds/model_list.csv")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Fields["source"] == "own" || row.Fields["verified_on"] == "" {
			t.Errorf("line %d: without source or date", row.Line)
		}
		if !strings.Contains(string(known), "\n"+row.Fields["model_id"]+",") {
			t.Errorf("line %d: %s is not in model_list.csv", row.Line, row.Fields["model_id"])
		}
	}
	if empty, err := os.ReadFile("../models/" + ownSeed); err != nil || string(empty) != strings.Join(order, ",")+"\n" {
		t.Errorf("%s must hold its head alone: %q %v", ownSeed, empty, err)
	}
}

func TestInto(t *testing.T) {
	plain := fstest.MapFS{"dbt_project.yml": {Data: []byte("name: x")}}
	if got, err := Into(plain, &Own{Name: "p.csv"}); err != nil || got == nil {
		t.Errorf("a project without price lists: %v", err)
	}
	priced := fstest.MapFS{
		listSeed: {Data: []byte(head + "m,,,,1,2,1,1,1\n")},
		ownSeed:  {Data: []byte(strings.Join(order, ",") + "\n")},
	}
	merged, err := Into(priced, &Own{Name: "p.csv", Text: []byte(head + "n,,,,3,4,1,1,1\n")})
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(merged, ownSeed)
	if err != nil || !strings.Contains(string(text), "\nn,,,0,3,4,1,1,1,,1,1,0.01,own,\n") {
		t.Errorf("%s: %q %v", ownSeed, text, err)
	}
	if list, err := fs.ReadFile(merged, listSeed); err != nil || string(list) != string(priced[listSeed].Data) {
		t.Errorf("%s: %q %v", listSeed, list, err)
	}
	priced[listSeed] = &fstest.MapFile{Data: []byte(head + "m,,,,1,2,1,1,1\nm,,,,1,2,1,1,1\n")}
	_, err = Into(priced, nil)
	if faults, ok := err.(project.Faults); !ok || faults[0].File != listSeed || faults[0].Line != 3 { //nolint:errorlint // Into returns it bare
		t.Errorf("an overlap in the list: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("p.csv", head+"m,,,,1,2,1,1,1\n")
	f.Add("p.yml", "- model_id: m\n  input_usd: 1\n")
	f.Add("p.yml", "- &a {model_id: *a}")
	f.Fuzz(func(t *testing.T, name, text string) {
		rows, faults := Read(name, []byte(text))
		if len(faults) > 0 {
			return
		}
		// What was found good stays so when it is read as the seed that is made of it.
		again, faults := Read("seed.csv", seed(rows))
		if len(faults) > 0 || len(again) != len(rows) {
			t.Fatalf("%q became %q: %v", text, seed(rows), faults)
		}
	})
}
