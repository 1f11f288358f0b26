package adminapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// execution is one checked query on its way. cost counts what it really found.
type execution struct {
	schema *ast.Schema
	vars   map[string]any
	cost   int
}

// connectionCost is what a connection costs beside its nodes.
const connectionCost = 2

// below is a path one step further down.
func below(path ast.Path, step ast.PathElement) ast.Path { return append(slices.Clone(path), step) }

// object answers a selection of an object's fields.
func (x *execution) object(set ast.SelectionSet, o Object, path ast.Path) (map[string]any, error) {
	out := map[string]any{}
	for _, f := range x.fields(set) {
		here := below(path, ast.PathName(f.Alias))
		v, err := x.field(f, o, here)
		if err != nil {
			return nil, err
		}
		if v == nil && f.Definition != nil && f.Definition.Type.NonNull {
			return nil, gqlerror.ErrorPathf(here, "the simulator has null for %s.%s", f.ObjectDefinition.Name, f.Name)
		}
		out[f.Alias] = v
	}
	return out, nil
}

// fields are those of a selection, with fragments resolved: there are no interfaces in the schema, so each of them applies.
func (x *execution) fields(set ast.SelectionSet) []*ast.Field {
	var out []*ast.Field
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			out = append(out, s)
		case *ast.FragmentSpread:
			out = append(out, x.fields(s.Definition.SelectionSet)...)
		case *ast.InlineFragment:
			out = append(out, x.fields(s.SelectionSet)...)
		}
	}
	return out
}

func (x *execution) field(f *ast.Field, o Object, path ast.Path) (any, error) {
	if f.Name == "__typename" {
		return f.ObjectDefinition.Name, nil
	}
	value, known := o[f.Name]
	if !known {
		return nil, gqlerror.ErrorPathf(path, "the simulator has no value for %s.%s", f.ObjectDefinition.Name, f.Name)
	}
	args := f.ArgumentMap(x.vars)
	var err error
	if r, ok := value.(Resolver); ok {
		if value, err = r(args); err != nil {
			return nil, gqlerror.WrapPath(path, err)
		}
	}
	switch v := value.(type) {
	case nil:
		return nil, nil
	case Object:
		x.cost++
		return x.object(f.SelectionSet, v, path)
	case []Object:
		if n, ok := integer(args["first"]); ok {
			v = v[:min(len(v), max(n, 0))]
		}
		return x.list(f.SelectionSet, v, path)
	case Connection:
		p, err := v.page(args)
		if err != nil {
			return nil, gqlerror.WrapPath(path, err)
		}
		return x.connection(f, p, path)
	case page:
		return x.connection(f, v, path)
	default:
		return v, nil
	}
}

func (x *execution) list(set ast.SelectionSet, nodes []Object, path ast.Path) ([]any, error) {
	out := make([]any, 0, len(nodes))
	for i, node := range nodes {
		x.cost++
		v, err := x.object(set, node, below(path, ast.PathIndex(i)))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (x *execution) connection(f *ast.Field, p page, path ast.Path) (map[string]any, error) {
	x.cost += connectionCost
	out := map[string]any{}
	for _, part := range x.fields(f.SelectionSet) {
		here := below(path, ast.PathName(part.Alias))
		var v any
		var err error
		switch part.Name {
		case "__typename":
			v = part.ObjectDefinition.Name
		case "nodes":
			v, err = x.list(part.SelectionSet, p.nodes, here)
		case "edges":
			v, err = x.edges(part.SelectionSet, p, here)
		case "pageInfo":
			info := Object{"hasNextPage": p.next, "hasPreviousPage": p.previous, "startCursor": nil, "endCursor": nil}
			if len(p.cursors) > 0 {
				info["startCursor"], info["endCursor"] = p.cursors[0], p.cursors[len(p.cursors)-1]
			}
			v, err = x.object(part.SelectionSet, info, here)
		}
		if err != nil {
			return nil, err
		}
		out[part.Alias] = v
	}
	return out, nil
}

func (x *execution) edges(set ast.SelectionSet, p page, path ast.Path) ([]any, error) {
	out := make([]any, 0, len(p.nodes))
	for i, node := range p.nodes {
		v, err := x.object(set, Object{"cursor": p.cursors[i], "node": node}, below(path, ast.PathIndex(i)))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// requested is what a selection may cost, before anything is looked up.
func (x *execution) requested(set ast.SelectionSet) (cost int) {
	for _, f := range x.fields(set) {
		if f.Definition == nil {
			continue // __typename
		}
		t := f.Definition.Type
		args := f.ArgumentMap(x.vars)
		switch name := t.Name(); {
		case len(f.SelectionSet) == 0:
		case name == "PageInfo":
		case strings.HasSuffix(name, "Connection"):
			n, _ := integer(args["first"])
			cost += connectionCost + n*x.requested(f.SelectionSet)
		case strings.HasSuffix(name, "Edge"):
			cost += x.requested(f.SelectionSet)
		default:
			n, ok := integer(args["first"])
			if !ok || t.Elem == nil || f.Name == "nodes" {
				n = 1
			}
			cost += n * (1 + x.requested(f.SelectionSet))
		}
	}
	return cost
}

// run answers an operation.
func (x *execution) run(op *ast.OperationDefinition, root Object) (map[string]any, error) {
	if op.Operation != ast.Query {
		return nil, gqlerror.Errorf("the simulated stores answer queries, not a %s", fmt.Sprint(op.Operation))
	}
	return x.object(op.SelectionSet, root, nil)
}
