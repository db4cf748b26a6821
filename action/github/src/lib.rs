//! What a pull request shows: check runs, one comment, labels and approvals, through GitHub's API.
