// Package spectrum computes all singular values of weight matrices.
//
// The way is the Gram matrix of the smaller side, W^T W or W W^T, summed in
// float64 from panels of W (in integers where W, or each row of a wide W, is a multiple of
// small integers) and handed to a symmetric eigensolver: its eigenvalues are the squares
// of the singular values, each within a few k*eps*lambda_max. That is far more
// than a power-law fit needs, but it cannot tell a singular value of
// 1e-8*sigma_max from zero, and low-bit weights are often rank-deficient. So
// where eigenvalues come out below 1e-12 of the largest, the rank is computed
// exactly, by elimination modulo a prime. If it says that as many
// eigenvalues are zero as came out below, they are set to zero, and all the others
// are known. If not, there are singular values between: then they are computed
// themselves, by QR of the panels and an SVD of the triangle, with errors of a few
// eps*sigma_max, at several times the cost.
//
// [Of] does all of that for a matrix in memory. A [Solver] reads a [Matrix] panel by
// panel, wherever it comes from, with given backends and in buffers that it keeps.
//
// The steps stand in the files of their names: gram.go, solver.go (eigenvalues),
// rank.go, svd.go; single.go has the eigenvalues in float32.
package spectrum
