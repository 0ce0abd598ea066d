// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// C calls that Go does without, and why.
var without = map[string]string{
	"lsm_volume_replicate":         "lsm_volume_replicate_with does the same, and more",
	"lsm_job_wait":                 "it would block a thread: events wake who waits",
	"lsm_job_status_get":           "lsm_job_get tells more",
	"lsm_job_status_volume_get":    "lsm_job_volume_list tells more",
	"lsm_error_last_get":           "the error is taken inside the call that fails",
	"lsm_volume_io_error_last_get": "the error is taken inside the call that fails",
	"lsm_error_create":             "an Error is a struct",
	"lsm_error_debug_data_get":     "bytes that only a plug-in's author could read",
	"lsm_capability_supported":     "lsm_capability_get tells the same",
	"lsm_capability_set":           "for plug-ins' authors",
	"lsm_capability_set_n":         "for plug-ins' authors",
	"lsm_capability_record_alloc":  "for plug-ins' authors",
	"lsm_uri_parse":                "net/url",
}

// Whole families: records are copied by assignment, and Go has slices and maps.
var withoutFamilies = regexp.MustCompile(
	`^lsm_(\w+_record_copy|(system|pool|volume|job|replication|event)_record_array_free|(string_list|hash)_\w+|block_range_(\w+_get|record_free))$`)

// In the C headers, each function that is declared.
func headerCalls(t *testing.T) map[string]bool {
	headers, _ := filepath.Glob("../core/include/replicant/*.h")
	if len(headers) == 0 {
		t.Skip("the C headers are not beside the module")
	}
	declaration := regexp.MustCompile(`LSM_API\s[^;()]*?\b(lsm_\w+)\(`)
	calls := map[string]bool{}
	for _, header := range headers {
		for _, m := range declaration.FindAllStringSubmatch(string(must(os.ReadFile(header))(t)), -1) {
			calls[m[1]] = true
		}
	}
	if len(calls) < 150 {
		t.Fatal("only", len(calls), "declarations were found")
	}
	return calls
}

// cLine is what a doc comment names in its last paragraph, if that is one of C calls.
func cLine(doc *ast.CommentGroup) []string {
	text := doc.Text()
	i := strings.LastIndex(text, "\n\n") + 2
	if i == 1 {
		i = 0
	}
	if !strings.HasPrefix(text[i:], "C: ") {
		return nil
	}
	return regexp.MustCompile(`lsm_\w+`).FindAllString(text[i:], -1)
}

// cName is the C function behind one of creplicant's.
func cName(name string) string {
	switch name {
	case "Capabilities_get":
		return "lsm_capabilities"
	case "Job_forget":
		return "lsm_job_free"
	}
	return "lsm_" + strings.ToLower(name[:1]) + name[1:]
}

// parse reads the package's files, tests aside.
func parse(t *testing.T) []*ast.File {
	packages := must(parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool {
		return !strings.HasSuffix(f.Name(), "_test.go")
	}, parser.ParseComments))(t)
	return slices.Collect(maps.Values(packages["replicant"].Files))
}

// called yields each creplicant.X(…) below a node, and each that is handed on as a value.
func called(node ast.Node, found func(name string)) {
	ast.Inspect(node, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "creplicant" && strings.Contains(s.Sel.Name, "_") &&
				strings.ToUpper(s.Sel.Name) != s.Sel.Name {
				found(s.Sel.Name)
			}
		}
		return true
	})
}

// Every call of the C headers is wrapped, or is on the list of those that Go does without; and the
// comments tell the truth about it.
func TestEveryCallIsWrapped(t *testing.T) {
	headers := headerCalls(t)
	documented, used := map[string]bool{}, map[string]bool{
		// Behind others, in creplicant/io.go, calls.go and creplicant.go.
		"lsm_extent_array_free": true, "lsm_block_range_record_array_alloc": true,
		"lsm_block_range_record_alloc": true, "lsm_block_range_record_array_free": true,
	}
	for _, file := range parse(t) {
		called(file, func(name string) { used[cName(name)] = true })
		for _, decl := range file.Decls {
			var docs []*ast.CommentGroup
			switch d := decl.(type) {
			case *ast.FuncDecl:
				docs = append(docs, d.Doc)
				makes := false
				called(d, func(string) { makes = true })
				if makes && d.Name.IsExported() && len(cLine(d.Doc)) == 0 {
					t.Errorf("the comment of %s does not end with the C call that it makes", d.Name)
				}
			case *ast.GenDecl:
				docs = append(docs, d.Doc)
			}
			for _, doc := range docs {
				for _, name := range cLine(doc) {
					documented[name] = true
				}
			}
		}
	}
	for name := range used {
		if !headers[name] {
			t.Errorf("%s is called, and no header has it", name)
		}
		if !documented[name] {
			t.Errorf("%s is called, and no comment says so", name)
		}
	}
	for name := range documented {
		if !headers[name] {
			t.Errorf("a comment speaks of %s, and no header has it", name)
		}
		if !used[name] && !strings.HasPrefix(name, "lsm_error_") { // those are called by takeError
			t.Errorf("a comment speaks of %s, and nothing calls it", name)
		}
	}
	for name := range headers {
		listed := without[name] != "" || withoutFamilies.MatchString(name)
		switch {
		case !documented[name] && !listed:
			t.Errorf("%s has no wrapper", name)
		case documented[name] && listed:
			t.Errorf("%s has a wrapper, and is on the list of what has none", name)
		}
	}
	for name := range without {
		if !headers[name] {
			t.Errorf("%s is on the list of what has no wrapper, and no header has it", name)
		}
	}
}

// Whatever can be named has a comment that begins with its name.
func TestEverythingIsDocumented(t *testing.T) {
	for _, file := range parse(t) {
		for _, decl := range file.Decls {
			if d, ok := decl.(*ast.FuncDecl); ok && d.Name.IsExported() && exported(d.Recv) {
				if d.Name.Name == "String" || d.Name.Name == "Error" {
					continue
				}
				if !strings.HasPrefix(d.Doc.Text(), d.Name.Name+" ") {
					t.Errorf("the comment of %s", d.Name)
				}
			}
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.TYPE {
				for _, spec := range d.Specs {
					s := spec.(*ast.TypeSpec)
					if s.Name.IsExported() && !regexp.MustCompile(`^(An? )?`+s.Name.Name+" ").MatchString(d.Doc.Text()) {
						t.Errorf("the comment of %s", s.Name)
					}
				}
			}
		}
	}
}

func exported(receiver *ast.FieldList) bool {
	if receiver == nil {
		return true
	}
	kind := receiver.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	id, ok := kind.(*ast.Ident)
	return ok && id.IsExported()
}
