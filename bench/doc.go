// Package bench measures the parts of the engine, and compares the libraries that they
// can use, on the machine on which it runs.
//
// Every suite has a configuration type, with a default and a full configuration, and a
// function:
//
//	gram         symmetric rank-k updates, every CBLAS backend
//	eigenvalues  all eigenvalues of Gram matrices, every LAPACK backend
//	quantize     the loops over weights, compared with a copy of as many bytes
//	fit          power-law fits of spectra of three kinds
//	read         safetensors files in the page cache, compared with plain reads
//	whole        complete analyses of a synthetic checkpoint
//
// The command "wwq-fast bench" runs the suites in one process. It runs the variants of a
// case in turn, round after round, so that other load of the machine affects all of them
// equally. The same cases are Go benchmarks of this package ("go test -bench . ./bench"),
// named key=value for benchstat: "benchstat -col /backend" compares backends.
//
// A timing of a BLAS means nothing without the name of the kernels that it ran.
// Therefore reports contain a [Machine], and Go benchmarks print its fields as
// configuration lines.
//
// The package has no flags and no global variables. Only one suite should run at a time,
// because the number of threads of the linked BLAS is a setting of the process.
package bench
