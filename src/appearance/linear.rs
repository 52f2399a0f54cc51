//! Systems of linear equations, as large as a fit of some hundred numbers wants them.

use nalgebra::{DMatrix, DVector};

/// Solves `matrix` · x = `right` by Cholesky's decomposition; `None` unless the matrix, row by row
/// and symmetric, is positive definite.
pub fn solve(matrix: &[f64], right: &[f64]) -> Option<Vec<f64>> {
    let matrix = DMatrix::from_row_slice(right.len(), right.len(), matrix);
    let solved = matrix.cholesky()?.solve(&DVector::from_row_slice(right));
    Some(solved.as_slice().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved_and_a_singular_one_refused() {
        let matrix = vec![4.0, 2.0, 0.6, 2.0, 5.0, 1.0, 0.6, 1.0, 3.0];
        let x = [1.0, -2.0, 0.5];
        let right: Vec<f64> = (0..3)
            .map(|r| (0..3).map(|c| matrix[r * 3 + c] * x[c]).sum())
            .collect();
        let found = solve(&matrix, &right).unwrap();
        assert!(found.iter().zip(x).all(|(a, b)| (a - b).abs() < 1e-12));
        assert_eq!(solve(&[1.0, 1.0, 1.0, 1.0], &[1.0, 2.0]), None);
    }
}
