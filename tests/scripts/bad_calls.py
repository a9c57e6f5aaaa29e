"""Invalid arguments of the scripts, and what the error line must say."""

from helpers import SCRIPTS

# Arguments, and what the line must say. DATA stands for a folder of invalid data sets.
FLAGS = [
    (
        ["--noise_ratio", "-0.1"],
        "--noise_ratio: '-0.1' is not a finite number of at least 0 and at most 1",
    ),
    (["--noise_ratio", "1.5"], "--noise_ratio: '1.5'"),
    (["--noise_ratio", "nan"], "--noise_ratio: 'nan'"),
    (["--noise_ratio", "abc"], "--noise_ratio: 'abc'"),
    (["--noise_ratio", "inf"], "--noise_ratio: 'inf'"),
    (["--noise_ratio", "0,5"], "--noise_ratio: '0,5'"),
    (["--noise_ratio", ""], "--noise_ratio: ''"),
    (["--noise_ratio"], "--noise_ratio: expected"),
    (["--noise_pattern", "pair"], "--noise_pattern: invalid choice: 'pair'.*sym.*asym"),
    (
        ["--noise_pattern", "asym5"],
        "--noise_pattern: asym5 flips classes of CIFAR-10 .*, but digits has other "
        "classes: give sym",
    ),
    (["--dataset", "mnist"], "--dataset: unknown data set 'mnist'.*digits.*cifar10.*cifar100"),
    (["--architecture", "ResNet33"], "--architecture: invalid choice: 'ResNet33'.*ResNet32"),
    (["--recipe", "slow"], "--recipe: invalid choice: 'slow'.*paper.*fast"),
    (["--augmentation", "mixup"], "--augmentation: invalid choice: 'mixup'.*shift_flip"),
    (["--precision", "float16"], "--precision: invalid choice: .float16.*float32.*mixed.*bfloat16"),
    (["--optimizer", "sgd"], "--optimizer: invalid choice: 'sgd'.*adam"),
    (["--epochs", "0"], "--epochs: '0' is not a whole number of at least 1"),
    (["--epochs", "-3"], "--epochs: '-3'"),
    (["--epochs", "2.5"], "--epochs: '2.5'"),
    (["--epochs", "1e3"], "--epochs: '1e3'"),
    (["--batch_size", "0"], "--batch_size: '0' is not a whole number of at least 2"),
    (["--batch_size", "1"], "--batch_size: '1'"),
    (["--batch_size", "-128"], "--batch_size: '-128'"),
    (["--batch_size", "64.0"], "--batch_size: '64.0'"),
    (
        ["--batch_size", "1438"],
        "--batch_size: 1438 is more than the (1437|718) samples of .* give a smaller number",
    ),
    (["--learning_rate", "0"], "--learning_rate: '0' is not a finite number above 0"),
    (["--learning_rate", "-1"], "--learning_rate: '-1'"),
    (["--learning_rate", "nan"], "--learning_rate: 'nan'"),
    (["--learning_rate", "inf"], "--learning_rate: 'inf'"),
    (["--weight_decay", "-0.1"], "--weight_decay: '-0.1' is not a finite number of at least 0"),
    (["--gpu_id", "abc"], "--gpu_id: 'abc' is not a GPU id such as 0"),
    (["--gpu_id", "-2"], "--gpu_id: '-2'"),
    (["--gpu_id", "0,x"], "--gpu_id: '0,x'"),
    (["--gpu_id", ""], "--gpu_id: ''"),
    (["--threads", "0"], "--threads: '0' is not a whole number of at least 1"),
    (["--threads", "two"], "--threads: 'two'"),
    (
        ["--name", "seed3"],
        "--name: 'seed3' is not a name of letters, .* or is reserved",
    ),
    (["--name", "checkpoints"], "--name: 'checkpoints'"),
    (["--name", "INCV_checkpoints"], "--name: 'INCV_checkpoints'"),
    (["--name", "a/b"], "--name: 'a/b'"),
    (["--name", ".."], "--name: '..'"),
    (["--name", ".hidden"], "--name: '.hidden'"),
    (["--name", ""], "--name: ''"),
    (["--name", "two words"], "--name: 'two words'"),
    (["--name", "a\n"], "--name: 'a.n'"),
    (["--seed", "-1"], "--seed: '-1' is not a whole number of at least 0"),
    (["--seed", "2147483648"], "--seed: '2147483648'.*at most 2147483647"),
    (["--seed", "9" * 5000], "--seed: '999"),
    (["--seed", "zero"], "--seed: 'zero'"),
    (["--unknown"], "unrecognized arguments: --unknown .see --help"),
    (["--noise_rat", "0.5"], "unrecognized arguments: --noise_rat 0.5"),
    (["two\nlines"], "unrecognized arguments: two lines"),
    (
        ["--dataset", "cifar10", "--data_dir", "DATA/nothing"],
        "cannot download cifar10: .*DATA/nothing.*--dataset digits",
    ),
    (["--dataset", "cifar100", "--data_dir", "DATA/file"], "DATA/file"),
    (
        ["--dataset", "cifar10", "--data_dir", "DATA/file/below"],
        "DATA/file' is a file, not a folder",
    ),
    (
        ["--dataset", "cifar10", "--data_dir", "DATA/garbage"],
        "DATA/garbage/.*/data_batch_1 is damaged",
    ),
    (
        ["--dataset", "cifar10", "--data_dir", "DATA/folders"],
        "DATA/folders/.*/data_batch_1 is missing or not a file",
    ),
    (
        ["--dataset", "cifar10", "--data_dir", "DATA/empty"],
        "DATA/empty/.*/data_batch_1 is missing or not a file",
    ),
    (
        ["--results_dir", "DATA/file"],
        "argument --results_dir: 'DATA/file' is a file, not a folder: give another",
    ),
    (["--results_dir", ""], "argument --results_dir: an empty name is not a folder"),
    (
        ["--results_dir", "DATA/file/x"],
        "argument --results_dir: 'DATA/file' is a file, not a folder: give another",
    ),
    (["--recipe", "fsat"], r"invalid choice: 'fsat' \(choose from .*\); did you mean fast\?"),
    (["--architecture", "RestNet32"], r"did you mean ResNet32\? \(see --help\)$"),
    (["--dataset", "cifra10"], r"unknown data set 'cifra10': .*; did you mean cifar10\?"),
    (["--reciep", "fast"], r"unrecognized arguments: --reciep fast; did you mean --recipe\?"),
    (["--zzz"], r"unrecognized arguments: --zzz \(see --help\)"),
    (["--results_dir", "x" * 300], "xxx/.*: File name too long; fix that or write elsewhere"),
]

SELECTION = [
    (["--INCV_epochs", "0"], "--INCV_epochs.*: '0' is not a whole number of at least 1"),
    (["--INCV_epochs", "1.5"], "--INCV_epochs.*: '1.5'"),
    (["--INCV_iter", "0"], "--INCV_iter: '0'"),
    (["--INCV_iter", "-4"], "--INCV_iter: '-4'"),
    (["--INCV_iter", "four"], "--INCV_iter: 'four'"),
    (["--top_k", "0"], "--top_k: '0'"),
    (["--top_k", "-1"], "--top_k: '-1'"),
    (["--top_k", "10"], "--top_k: 10 must be below the 10 classes"),
    (["--top_k", "1000"], "--top_k: 1000 must be below the 10 classes"),
    (["--parallel_halves", "maybe"], "--parallel_halves: invalid choice: 'maybe'.*auto.*on.*off"),
    (["--assumed_pattern", "none"], "--assumed_pattern: invalid choice: 'none'"),
    (["--noise_ratio", "0.5", "0.6"], "unrecognized arguments: 0.6"),
    (
        ["--results_dir", "/proc/results"],
        "/proc/results/.*; fix that or write elsewhere",
    ),  # read-only
]

TRAINING = [
    (["--method", "cleanlab"], "--method: invalid choice: 'cleanlab'.*standard.*incv"),
    (
        ["--f_correction_T", "guessed"],
        "--f_correction_T: invalid choice: 'guessed'.*estimated.*true",
    ),
    (["--mentornet_curriculum", "none"], "--mentornet_curriculum: invalid choice: 'none'"),
    (
        ["--co_teaching_noise_ratio", "2"],
        r"--co_teaching_noise_ratio: '2' is not .* of at least 0 and at most 1 \(",
    ),
    (["--gce_q", "0"], r"--gce_q: '0' is not a finite number of at least 0.01 and at most 1 \("),
    (
        ["--sce_alpha", "-1"],
        r"--sce_alpha: '-1' is not a finite number of at least 0 and at most 1000000.0 \(",
    ),
    (
        ["--sce_beta", "-1"],
        r"--sce_beta: '-1' is not a finite number of at least 0 and at most 1000000.0 \(",
    ),
    (
        ["--sce_A", "1"],
        r"--sce_A: '1' is not a finite number of at least -1000000.0 and at most 0 \(",
    ),
    (["--elr_beta", "2"], r"--elr_beta: '2' is not a finite number of at least 0 and at most 1 \("),
    (
        ["--elr_lambda", "-1"],
        r"--elr_lambda: '-1' is not a finite number of at least 0 and at most 1000000.0 \(",
    ),
    (
        ["--validation_split", "1"],
        "--validation_split: '1' is not a finite number of at least 0 and at most 0.9",
    ),
    (["--validation_split", "-0.1"], "--validation_split: '-0.1'"),
    (["--selection", "DATA/nothing"], "DATA/nothing is not a file: give another --selection, or"),
    (["--selection", "DATA/folders"], "DATA/folders is not a file: give another --selection, or"),
    (["--selection", "DATA/file"], "DATA/file (cannot be read as CSV|lacks the column y)"),
    (
        ["--method", "standard", "--selection", "DATA/file"],
        "--selection: it has no effect here; it applies only to",
    ),
    (
        ["--method", "standard", "--batch_size", "1438"],
        "--batch_size: 1438 is more than the 1437 samples",
    ),
]

THEORY = [
    (["--noise_ratio", "0.5", "1.01"], "--noise_ratio: '1.01'"),
    (["--INCV_epochs", "2"], "unrecognized arguments: --INCV_epochs 2"),
    (["--parallel_halves", "on"], "unrecognized arguments: --parallel_halves on"),
    (["--validation_split", "0.1"], "unrecognized arguments: --validation_split 0.1"),
    (["--method", "standard"], "unrecognized arguments: --method standard"),
]

TABLE = (
    [(script, *row) for script in SCRIPTS for row in FLAGS]
    + [(script, *row) for script in ("INCV", "INCV_main") for row in SELECTION]
    + [
        (
            "INCV",
            ["--review_images", "0"],
            "--review_images: '0' is not a whole number of at least 1 ",
        )
    ]
    + [("INCV_main", *row) for row in TRAINING]
    + [("Verify_Theory", *row) for row in THEORY]
)
