package dashboard

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"claude-analytics/dashboard/api"
)

type specParameter struct {
	Ref  string `yaml:"$ref"`
	Name string `yaml:"name"`
	In   string `yaml:"in"`
}

type spec struct {
	Paths map[string]map[string]struct {
		Parameters []specParameter `yaml:"parameters"`
		Responses  map[string]any  `yaml:"responses"`
	} `yaml:"paths"`
	Components struct {
		Parameters map[string]specParameter `yaml:"parameters"`
		Schemas    map[string]struct {
			Properties map[string]struct {
				Enum []string `yaml:"enum"`
			} `yaml:"properties"`
		} `yaml:"schemas"`
	} `yaml:"components"`
}

// The document and the handlers have the same paths, methods and parameters.
func TestOpenAPIIsWhatIsServed(t *testing.T) {
	var document spec
	if err := yaml.Unmarshal(openAPI, &document); err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, route := range api.Routes() {
		served[route.Method+" "+route.Path] = true
		operation, found := document.Paths[route.Path][strings.ToLower(route.Method)]
		if !found {
			t.Errorf("%s %s is served and not described", route.Method, route.Path)
			continue
		}
		var described []string
		for _, parameter := range operation.Parameters {
			if name, isRef := strings.CutPrefix(parameter.Ref, "#/components/parameters/"); isRef {
				parameter = document.Components.Parameters[name]
			}
			switch parameter.In {
			case "query":
				if parameter.Name == "filters" {
					parameter.Name = "*"
				}
				described = append(described, parameter.Name)
			case "path":
				if !strings.Contains(route.Path, "{"+parameter.Name+"}") {
					t.Errorf("%s has no part %s", route.Path, parameter.Name)
				}
			case "header":
			default:
				t.Errorf("%s: parameter %+v", route.Path, parameter)
			}
		}
		taken := slices.Clone(route.Parameters)
		slices.Sort(described)
		slices.Sort(taken)
		if !slices.Equal(described, taken) {
			t.Errorf("%s %s takes %v and is described with %v", route.Method, route.Path, taken, described)
		}
		if operation.Responses["default"] == nil || operation.Responses["200"] == nil {
			t.Errorf("%s %s: responses %v", route.Method, route.Path, operation.Responses)
		}
	}
	for path, operations := range document.Paths {
		for method := range operations {
			if !served[strings.ToUpper(method)+" "+path] {
				t.Errorf("%s %s is described and not served", method, path)
			}
		}
	}
	codes := document.Components.Schemas["Error"].Properties["code"].Enum
	if !slices.Equal(codes, api.Codes()) {
		t.Errorf("codes described: %v\nused: %v", codes, api.Codes())
	}
	if len(served) < 10 || served[http.MethodDelete+" /api/v1/query"] {
		t.Errorf("served: %v", served)
	}
}
