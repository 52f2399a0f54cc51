//! Systems of linear equations, as large as a fit of some hundred numbers wants them.

/// Solves `matrix` · x = `right` by Cholesky's decomposition; `None` unless the matrix, row by row
/// and symmetric, is positive definite.
pub fn solve(mut matrix: Vec<f64>, right: &[f64]) -> Option<Vec<f64>> {
    let n = right.len();
    for row in 0..n {
        for column in 0..=row {
            let known: f64 = (0..column)
                .map(|k| matrix[row * n + k] * matrix[column * n + k])
                .sum();
            let rest = matrix[row * n + column] - known;
            if row == column {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                matrix[row * n + row] = rest.sqrt();
            } else {
                matrix[row * n + column] = rest / matrix[column * n + column];
            }
        }
    }
    let mut x = right.to_vec();
    for row in 0..n {
        let known: f64 = (0..row).map(|k| matrix[row * n + k] * x[k]).sum();
        x[row] = (x[row] - known) / matrix[row * n + row];
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|k| matrix[k * n + row] * x[k]).sum();
        x[row] = (x[row] - known) / matrix[row * n + row];
    }
    Some(x)
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
        let found = solve(matrix, &right).unwrap();
        assert!(found.iter().zip(x).all(|(a, b)| (a - b).abs() < 1e-12));
        assert_eq!(solve(vec![1.0, 1.0, 1.0, 1.0], &[1.0, 2.0]), None);
    }
}
