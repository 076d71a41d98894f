package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// Analyze analyses a checkpoint at all levels of opts. Each tensor is read once.
//
// A tensor that cannot be analysed is refused with a reason and does not end the
// run. If ctx is cancelled, or reading fails, Analyze returns an error and, with
// it, a result that holds what was finished. While it runs, the linked BLAS is
// held to one thread a call (see cblas.LimitThreads); the parallelism is over
// layers and levels, and inside large matrices where cores are left without any.
// Results do not depend on the number of threads.
//
// The memory taken is about what [Plan.PeakBytes] says, and fewer threads run if that
// is above opts.Memory. If one thread is too much, the error is ErrBudget.
func Analyze(ctx context.Context, src checkpoint.Source, opts Options) (*Result, error) {
	started := time.Now()
	plan, err := Describe(src, opts)
	if err != nil {
		return nil, err
	}
	blas, err := cblas.Lookup(opts.BLAS)
	if err != nil {
		return nil, err
	}
	solver, err := lapack.Lookup(opts.LAPACK)
	if err != nil {
		return nil, err
	}
	if opts.Reproducible {
		if solver, err = reproducible(solver); err != nil {
			return nil, err
		}
	}
	workers, err := opts.workers(plan)
	if err != nil {
		return nil, err
	}
	defer cblas.LimitThreads(1)()

	r := &run{
		workers: workers,
		src:     src,
		opts:    &opts,
		plan:    plan,
		levels:  slices.Clone(opts.Levels),
		solver:  &spectrum.Solver{BLAS: blas, LAPACK: solver, Precision: opts.Precision},
		cores:   cores{idle: opts.threads() - workers, busy: workers},
	}
	r.solver.Cores = &r.cores
	slices.SortFunc(r.levels, func(a, b quant.Level) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})
	err = r.analyze(ctx)

	env := Env()
	env.BLAS, env.LAPACK = blas.Name(), solver.Name()
	res := &Result{
		Source:      SourceInfo{Path: src.Path(), Format: src.Format(), Files: src.Files()},
		Options:     opts,
		Threads:     opts.threads(),
		Workers:     workers,
		Env:         env,
		Tensors:     plan.Tensors,
		Levels:      r.levels,
		Rows:        r.collect(),
		Interrupted: err != nil,
		Warnings:    env.warnings(),
		Started:     started,
		Elapsed:     time.Since(started),
	}
	return res, err
}

// run is the state of one analysis.
type run struct {
	workers int
	src     checkpoint.Source
	opts    *Options
	plan    *Plan
	levels  []quant.Level
	solver  *spectrum.Solver
	cores   cores

	mu       sync.Mutex // guards what follows
	rows     map[rowKey]*Row
	progress Progress
	work     float64 // of all rows, in flops
	done     float64
}

type rowKey struct {
	tensor, layer, level int
}

// A task is one layer at one level. A level of allLevels stands for all of them:
// the layer is not quantized.
type task struct {
	tensor *loaded
	layer  int
	level  int
}

const allLevels = -1

// analyze loads tensors one after the other and hands their layer-levels to the
// workers.
func (r *run) analyze(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	order := r.schedule()
	tasks := make(chan task)
	var workers sync.WaitGroup
	for range r.workers {
		workers.Go(func() {
			defer r.cores.leave()
			w := newWorker(r)
			for t := range tasks {
				if ctx.Err() == nil {
					r.finish(t, w.compute(t))
				}
				t.tensor.done()
			}
		})
	}
	// One tensor more than workers may be in memory, so that the next is ready
	// when a worker is free.
	l := newLoader(r, r.workers+1)
	for _, i := range order {
		t, err := l.load(ctx, i)
		if err != nil {
			cancel(err)
			break
		}
		if t == nil {
			continue
		}
		for _, k := range r.tasks(t) {
			tasks <- k
		}
	}
	close(tasks)
	workers.Wait()
	return context.Cause(ctx)
}

// schedule sets up the progress and returns the planned tensors, the most costly
// first, so that no large one is left to a single worker at the end. Equal ones
// stay in natural order, so that of duplicates the first is analysed.
func (r *run) schedule() []int {
	r.rows = map[rowKey]*Row{}
	var order []int
	cost := map[int]float64{}
	for i := range r.plan.Tensors {
		t := &r.plan.Tensors[i]
		if t.Status != Planned {
			continue
		}
		order = append(order, i)
		for j := range t.Layers {
			l := &t.Layers[j]
			cost[i] += l.flops()
			if l.Quantized {
				r.work += l.flops() * float64(len(r.levels))
			} else {
				r.work += l.flops()
			}
			r.progress.Total += len(r.levels)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cost[b], cost[a]) })
	return order
}

// tasks returns the work on a loaded tensor and tells it how many parts it has.
func (r *run) tasks(t *loaded) []task {
	var all []task
	layers := r.plan.Tensors[t.index].Layers
	for j := range layers {
		if !layers[j].Quantized {
			all = append(all, task{t, j, allLevels})
			continue
		}
		for k := range r.levels {
			all = append(all, task{t, j, k})
		}
	}
	t.users.Store(int64(len(all)))
	return all
}

// finish records the row of a task.
func (r *run) finish(t task, row Row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, last := t.level, t.level
	if t.level == allLevels {
		first, last = 0, len(r.levels)-1
	}
	for k := first; k <= last; k++ {
		level := row
		level.Level = r.levels[k]
		r.rows[rowKey{t.tensor.index, t.layer, k}] = &level
	}
	r.done += row.Layer.flops()
	r.report(row.Layer, r.levels[last], last-first+1)
}

// skip takes a tensor out of the plan, all its layers counted as done.
func (r *run) skip(index int, status Status, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ts := &r.plan.Tensors[index]
	ts.Status, ts.Reason = status, reason
	for j := range ts.Layers {
		l := &ts.Layers[j]
		if l.Quantized {
			r.done += l.flops() * float64(len(r.levels))
		} else {
			r.done += l.flops()
		}
		r.report(l, r.levels[len(r.levels)-1], len(r.levels))
	}
}

// report tells the caller of count more rows. The lock is held.
func (r *run) report(l *Layer, level quant.Level, count int) {
	r.progress.Done += count
	r.progress.Work = r.done / r.work
	r.progress.Layer, r.progress.Level = l.LongName, level
	if r.opts.Progress != nil {
		r.opts.Progress(r.progress)
	}
}

// collect returns the table of each level, settles the status of every tensor,
// and numbers the layers that are in the tables.
func (r *run) collect() [][]Row {
	tables := make([][]Row, len(r.levels))
	id := 0
	for i := range r.plan.Tensors {
		ts := &r.plan.Tensors[i]
		if ts.Status == Skipped {
			ts.Layers = nil
			continue
		}
		whole := ts.Status == Refused // by the loader, at every level
		missing := false
		for j := range ts.Layers {
			l := &ts.Layers[j]
			l.ID = id
			id++
			for k, level := range r.levels {
				row := r.rows[rowKey{i, j, k}]
				switch {
				case row != nil:
					row.Layer = l
					// The first in order of layers and levels gives the reason,
					// whatever was computed first.
					if row.Status == FitRefused && ts.Status != Refused {
						ts.Status, ts.Reason = Refused, row.Reason
						if l.Quantized {
							ts.Reason = fmt.Sprintf("at %v: %s", level, row.Reason)
						}
					}
				case whole:
					row = refusedRow(l, level, FitRefused, ts.Reason)
				default:
					missing = true
					row = refusedRow(l, level, FitMissing, "the run ended before")
				}
				tables[k] = append(tables[k], *row)
			}
		}
		if ts.Status == Planned && !missing {
			ts.Status = Analysed
		}
	}
	return tables
}
