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
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// A Sink takes in rows as they are finished, in any order. Its methods are never called
// from two goroutines at once. An error ends the run. What it took in goes into [Merge].
type Sink interface {
	// Row takes in one row, whose values it may keep.
	Row(Row) error
	// Tensor takes in what became of a tensor of which no row comes.
	Tensor(TensorRecord) error
}

// An Outcome says how a run was computed.
type Outcome struct {
	Threads  int // cores that were used at once
	Workers  int // layers that were analysed at once
	Env      Environment
	Warnings []string // remarks on the run as a whole
	Started  time.Time
	Elapsed  time.Duration
	// Interrupted says that the run was ended before all rows were computed.
	Interrupted bool
}

// Progress is the state of a running analysis.
type Progress struct {
	Done, Total int     // layer-levels
	Work        float64 // share of the estimated arithmetic done, 0 to 1
	Layer       string  // the layer that was just finished
	Level       quant.Recipe
}

// Run analyses what the plan names of a checkpoint at all levels of opts, and hands each
// row to the sink as soon as it is finished. Each tensor is read once.
//
// A tensor that cannot be analysed is refused with a reason and does not end the
// run. If ctx is cancelled, or reading or the sink fails, Run returns an error and, with
// it, an outcome. While it runs, the linked BLAS is
// held to one thread a call (see cblas.LimitThreads); the parallelism is over
// layers and levels, and inside large matrices where cores are left without any.
// Rows do not depend on the number of threads.
//
// The memory taken is about what [Plan.PeakBytes] says, and fewer threads run if that
// is above opts.Memory. If one thread is too much, the error is ErrBudget.
func Run(ctx context.Context, src checkpoint.Source, plan *Plan, opts Options, sink Sink) (*Outcome, error) {
	started := time.Now()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	tensors, err := plan.resolve(src)
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
		sink:    sink,
		opts:    &opts,
		levels:  opts.levels(),
		solver:  &spectrum.Solver{BLAS: blas, LAPACK: solver, Precision: opts.Precision},
		cores:   cores{idle: opts.threads() - workers, busy: workers},
	}
	r.bound = bind(r.levels, src.Tensors(), plan.Model)
	r.solver.Cores = &r.cores
	r.measure, r.relative = metric.Measure, metric.Relative()
	if opts.measure != nil {
		r.measure, r.relative = opts.measure, true
	}
	r.base = opts.baseline(r.levels)
	err = r.analyze(ctx, tensors)

	env := Env()
	env.BLAS, env.LAPACK = blas.Name(), solver.Name()
	return &Outcome{
		Threads: opts.threads(), Workers: workers,
		Env: env, Warnings: slices.Concat(plan.Remarks, env.warnings()),
		Started: started, Elapsed: time.Since(started), Interrupted: err != nil,
	}, err
}

// levels returns the levels in the order of tables.
func (o *Options) levels() []quant.Recipe {
	return slices.SortedFunc(slices.Values(o.Levels), quant.Compare)
}

// resolve returns the planned tensors as they are in the checkpoint, the most costly
// first.
func (p *Plan) resolve(src checkpoint.Source) ([]TensorStatus, error) {
	stored := map[string]*checkpoint.Tensor{}
	for i := range src.Tensors() {
		t := &src.Tensors()[i]
		stored[t.Name] = t
	}
	var tensors []TensorStatus
	for _, i := range p.byCost() {
		ts := p.Tensors[i]
		t := stored[ts.Name]
		if t == nil || !slices.Equal(t.Shape, ts.Shape) || t.StoredType() != ts.StoredType() || t.Encoding == nil {
			return nil, fmt.Errorf("the plan is of another checkpoint than %s: tensor %s", src.Path(), checkpoint.Quote(ts.Name))
		}
		ts.Tensor = *t
		tensors = append(tensors, ts)
	}
	return tensors, nil
}

// byCost returns the indices of the planned tensors, the most costly
// first, so that no large one is left to a single worker at the end. Equal ones
// stay in natural order, so that of duplicates the first is analysed.
func (p *Plan) byCost() []int {
	var order []int
	for i := range p.Tensors {
		if p.Tensors[i].Status == Planned {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.Tensors[b].flops(), p.Tensors[a].flops()) })
	return order
}

// run is the state of one analysis.
type run struct {
	workers int
	src     checkpoint.Source
	sink    Sink
	opts    *Options
	levels  []quant.Recipe
	bound   []quant.Recipe // the levels as they are for the checkpoint
	solver  *spectrum.Solver
	cores   cores
	cancel  context.CancelCauseFunc
	// measure computes the metrics, which ask for the baseline if they are relative.
	measure  func(in *metric.Input) ([]float64, metric.Finding)
	relative bool
	base     int // index of the baseline among the levels, -1 if there is none

	mu       sync.Mutex // guards what follows, and the sink
	progress Progress
	work     float64 // of all rows, in flops
	done     float64
}

// A task is one layer at one level. The level allLevels marks the only task of a layer
// that is not quantized: its row is copied to every level.
type task struct {
	tensor *loaded
	layer  int
	level  int
	// relative says that metrics ask for the spectrum of the baseline, and base that this
	// is the task that has it.
	relative, base bool
}

const allLevels = -1

// analyze loads tensors one after the other and hands their layer-levels to the
// workers.
func (r *run) analyze(ctx context.Context, tensors []TensorStatus) error {
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	r.measureWork(tensors)
	tasks := make(chan task)
	var workers sync.WaitGroup
	for range r.workers {
		workers.Go(func() {
			defer r.cores.leave()
			w := &worker{run: r}
			for t := range tasks {
				if ctx.Err() == nil {
					r.finish(t, w.compute(t))
				}
				t.done()
			}
		})
	}
	// One tensor more than workers may be in memory, so that the next is ready
	// when a worker is free. The levels of a tensor that wait for its baseline come behind the
	// baseline of the next tensor, by when theirs is likely to be there.
	l := newLoader(r, r.workers+1)
	var waiting []task
	send := func(all []task) {
		for _, k := range all {
			tasks <- k
		}
	}
	for i := range tensors {
		t, err := l.load(ctx, &tensors[i])
		if err != nil {
			r.cancel(err)
			break
		}
		if t == nil {
			continue
		}
		first, behind := r.tasks(t)
		send(first)
		send(waiting)
		waiting = behind
	}
	send(waiting)
	close(tasks)
	workers.Wait()
	return context.Cause(ctx)
}

// measureWork sets up the progress.
func (r *run) measureWork(tensors []TensorStatus) {
	for i := range tensors {
		for j := range tensors[i].Layers {
			l := &tensors[i].Layers[j]
			r.work += l.flops() * float64(r.spectra(l))
			r.progress.Total += len(r.levels)
		}
	}
}

// spectra returns how many spectra of a layer are computed: one for each level, but one
// for all if the levels do not change it.
func (r *run) spectra(l *Layer) int {
	if l.Quantized {
		return len(r.levels)
	}
	return 1
}

// tasks returns the work on a loaded tensor, that which waits for the baselines of its layers
// apart, and tells it how many parts it has.
func (r *run) tasks(t *loaded) (first, behind []task) {
	layers := t.status.Layers
	t.baselines = make([]baseline, len(layers))
	relative := r.relative && r.base >= 0
	for j := range layers {
		t.baselines[j].ready = make(chan struct{})
		if !layers[j].Quantized {
			first = append(first, task{t, j, allLevels, false, false})
			continue
		}
		for k := range r.levels {
			switch {
			case !relative:
				first = append(first, task{t, j, k, false, false})
			case k == r.base:
				first = append(first, task{t, j, k, true, true})
			default:
				behind = append(behind, task{t, j, k, true, false})
			}
		}
	}
	t.users.Store(int64(len(first) + len(behind)))
	return first, behind
}

// baseline returns the baseline of a task whose input is in: it waits until the worker
// that computes it has done so. The task of the baseline has been handed out before
// those of the other levels, so some worker is at it.
func (t task) baseline(in *metric.Input) *metric.Input {
	if !t.relative {
		return nil
	}
	b := &t.tensor.baselines[t.layer]
	if t.base {
		b.input = in.AsBaseline()
		return nil
	}
	<-b.ready
	return b.input
}

// done says that a task is finished, or will not be started.
func (t task) done() {
	if t.base {
		close(t.tensor.baselines[t.layer].ready)
	}
	t.tensor.done()
}

// finish hands the row of a task to the sink.
func (r *run) finish(t task, row Row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, last := t.level, t.level
	if t.level == allLevels {
		first, last = 0, len(r.levels)-1
	}
	for k := first; k <= last; k++ {
		row.Level = r.levels[k]
		if err := r.sink.Row(row); err != nil {
			r.cancel(err)
			return
		}
		row.Values = slices.Clone(row.Values)
		row.Seconds, row.Bytes = 0, 0
	}
	r.done += row.Layer.flops()
	r.report(row.Layer, r.levels[last], last-first+1)
}

// skip hands the record of a tensor to the sink, all its layers counted as done.
func (r *run) skip(ts *TensorStatus, record TensorRecord) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.sink.Tensor(record); err != nil {
		return err
	}
	for j := range ts.Layers {
		l := &ts.Layers[j]
		r.done += l.flops() * float64(r.spectra(l))
		r.report(l, r.levels[len(r.levels)-1], len(r.levels))
	}
	return nil
}

// report tells the caller of count more rows. The lock is held.
func (r *run) report(l *Layer, level quant.Recipe, count int) {
	r.progress.Done += count
	r.progress.Work = r.done / r.work
	r.progress.Layer, r.progress.Level = l.LongName, level
	if r.opts.Progress != nil {
		r.opts.Progress(r.progress)
	}
}
