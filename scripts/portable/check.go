package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// listed is a package as `go list` prints it.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	CgoFiles   []string
	ImportMap  map[string]string
	Module     *struct {
		Main bool
		Dir  string
	}
	Error *struct{ Err string }
}

func (p *listed) isOurs() bool { return p.Module != nil && p.Module.Main }

// list returns the packages of a module, its tests and their dependencies on a system, each
// after those that it imports.
func list(ctx context.Context, dir, goos, goarch string) (all []*listed, err error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-deps", "-test",
		"-json=ImportPath,Dir,GoFiles,CgoFiles,ImportMap,Module,Error", "./...")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=1")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, &complaints)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(listed)
		switch err := d.Decode(p); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("read go list: %w", err)
		}
		all = append(all, p)
	}
}

// faults type-checks the packages in order. It returns each fault once, because a test
// variant repeats the faults of its package.
func faults(all []*listed, goarch string) (found []string) {
	c := checker{files: token.NewFileSet(), sizes: types.SizesFor("gc", goarch), checked: map[string]*types.Package{"unsafe": types.Unsafe}}
	for _, p := range all {
		if p.ImportPath == "unsafe" { // it has no source
			continue
		}
		for _, fault := range c.check(p) {
			if !slices.Contains(found, fault) {
				found = append(found, fault)
			}
		}
	}
	return found
}

type checker struct {
	files   *token.FileSet
	sizes   types.Sizes
	checked map[string]*types.Package
}

func (c *checker) check(p *listed) (found []string) {
	fault := func(err error) {
		if p.isOurs() {
			found = append(found, strings.TrimPrefix(err.Error(), p.Module.Dir+string(filepath.Separator)))
		}
	}
	if p.Error != nil {
		fault(errors.New(p.Error.Err))
	}
	var parsed []*ast.File
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		if !filepath.IsAbs(name) { // the main function of a test is in the build cache
			name = filepath.Join(p.Dir, name)
		}
		f, err := parser.ParseFile(c.files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			fault(err)
			continue
		}
		parsed = append(parsed, f)
	}
	conf := types.Config{
		Importer: importer{c.checked, p.ImportMap}, Sizes: c.sizes, FakeImportC: true, IgnoreFuncBodies: !p.isOurs(), Error: fault,
	}
	path, _, _ := strings.Cut(p.ImportPath, " ") // without the suffix "[the test it is built for]"
	c.checked[p.ImportPath], _ = conf.Check(path, c.files, parsed, nil)
	return found
}

// importer resolves imports among the packages that were checked before.
type importer struct {
	checked map[string]*types.Package
	renamed map[string]string
}

func (i importer) Import(path string) (*types.Package, error) {
	if to, ok := i.renamed[path]; ok {
		path = to
	}
	if p := i.checked[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%s does not exist on this system", path)
}
