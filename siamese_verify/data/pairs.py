"""`PairList`: the pairs of images to compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from siamese_verify.checks import whole_number
from siamese_verify.data import lfw, lfw_writing, splitting, table_writing, tables
from siamese_verify.data.drawn_pairs import DrawnPairs
from siamese_verify.files import PathLike, replacing
from siamese_verify.messages import listed


class PairList(DrawnPairs):
    """An immutable list of pairs of images.

    Lists are joined with `+`, and a slice is a list too. Neither keeps folds, since folds describe
    a whole list.

    Args:
        pairs: The pairs, in order.
        folds: Fold of each pair, counted from 0, for a list in folds (LFW's View 2).

    Attributes:
        folds: Fold of each pair, an int32 array `(n,)`, or None for a list without folds.

    Raises:
        TypeError: If something other than a `Pair` is among `pairs`.
        ValueError: If a label is not 0 or 1, or `folds` are not one whole number for each pair.

    Examples:
        >>> pairs = PairList([
        ...     Pair(Sample("Ada/1.jpg", "Ada"), Sample("Ada/2.jpg", "Ada"), 1),
        ...     Pair(Sample("Ada/1.jpg", "Ada"), Sample("Bob/1.jpg", "Bob"), 0),
        ... ])
        >>> pairs.identities, pairs.labels.tolist()
        (('Ada', 'Bob'), [1, 0])

    Reference:
        Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", 2007: View 1, View 2.
    """

    @classmethod
    def from_lfw(cls, path: PathLike) -> PairList:
        r"""Read a pair file in one of LFW's formats.

        View 1 (`pairsDevTrain.txt`) starts with the number N of same pairs. N lines `NAME i j` and
        N lines `NAME i NAME j` follow. View 2 (`pairs.txt`) starts with `FOLDS N`, and as many
        lines follow for each fold. The first line may be absent. Fields are separated by tabs or
        spaces, lines end in LF or CRLF, and names are UTF-8.

        Names are kept in Unicode's composed form (NFC). They match the files in either form.

        Args:
            path: Path of the file.

        Returns:
            The pairs in the file's order, with the folds of a View 2 file.

        Raises:
            PairFileError: If the file is empty or not in this format, or a name could lead out of
                the folder of images. Also if a line has more than 65,536 bytes. Tells the file,
                the line and what was expected.

        Warns:
            PairListWarning: If pairs are listed twice, contradict each other, or compare an image
                with itself.

        Examples:
            >>> from pathlib import Path
            >>> _ = Path("pairs.txt").write_text("1\nAda\t1\t2\nAda\t1\tBob\t1\n")
            >>> PairList.from_lfw("pairs.txt")
            PairList(1 same, 1 different)
        """
        return cls(*lfw.read_pairs(path))

    def to_lfw(self, path: PathLike) -> None:
        """Write the list in LFW's format, so that `from_lfw` reads an equal list.

        Names are written in Unicode's composed form (NFC).

        A list with folds becomes a View 2 file. Without folds, it becomes a View 1 file, whose
        first line is left out unless the list is balanced.

        Args:
            path: Path of the file, which is replaced only when the new one is complete.

        Raises:
            ValueError: If LFW's format cannot express the list. Tells why.
        """
        if self.groups is not None:
            raise ValueError(
                "A pair file in LFW's format has no groups, so they would be lost. Use `to_table`. "
                f"Received: groups {listed(self.group_names)}"
            )
        text = lfw_writing.format_pairs(self, self.folds)
        with replacing(path) as unfinished:
            unfinished.write_bytes(text.encode())

    @classmethod
    def from_table(
        cls,
        source: Any,
        *,
        left: str = "left",
        right: str = "right",
        label: str = "label",
        left_identity: str = "left_identity",
        right_identity: str = "right_identity",
        fold: str = "fold",
        group: str = "group",
        root: PathLike | Sequence[PathLike] | None = None,
    ) -> PairList:
        """Read pairs from a table, in any layout of folders.

        A label is 1, true, same or genuine, or 0, false, different or impostor, in any case. An
        identity is any text, kept as written and in Unicode's composed form (NFC).

        The columns of identities, folds and groups may be absent. Without identities, images that
        same pairs link are one identity, which is named after its first image.

        Args:
            source: Path of a .csv, .tsv, .jsonl or .parquet file, a DataFrame of pandas or polars,
                or a mapping from names to columns.
            left: Name of the column of left paths.
            right: Name of the column of right paths.
            label: Name of the column of labels.
            left_identity: Name of the column of the left images' identities.
            right_identity: Name of the column of the right images' identities. It may be the same
                column, such as the writer of a signature and of its forgery.
            fold: Name of the column of folds, whole numbers from 0.
            group: Name of the column of groups, such as "skilled" and "random" forgeries.
            root: Folder that is joined before the paths, or one folder for the left and one for
                the right paths.

        Returns:
            The pairs in the order of the table.

        Raises:
            TableError: If the table is not as described. Names the file, the line or row, and the
                column.
            ImportError: If a Parquet file needs pyarrow, which is not installed.

        Warns:
            PairListWarning: If pairs are listed twice, contradict each other, or compare an image
                with itself.

        Examples:
            >>> table = {"left": ["1.png", "1.png"], "right": ["2.png", "3.png"], "label": [1, 0]}
            >>> pairs = PairList.from_table(table)
            >>> pairs, pairs.identities
            (PairList(1 same, 1 different), ('1.png', '3.png'))
        """
        optional = {
            "left_identity": left_identity,
            "right_identity": right_identity,
            "fold": fold,
            "group": group,
        }
        made = cls.__new__(cls)
        made._set(*tables.read_pairs(source, (left, right, label), optional, root))
        return made

    def to_table(self, path: PathLike) -> None:
        """Write the list as a table, so that `from_table` reads an equal list.

        Args:
            path: Path of a .csv, .tsv, .jsonl or .parquet file, which is replaced only when the new
                one is complete.

        Raises:
            ValueError: If the list is empty, or a table cannot hold a path or a name. Also if one
                image has two identities.
            ImportError: If a Parquet file needs pyarrow, which is not installed.

        Examples:
            >>> table = {"left": ["1.png", "1.png"], "right": ["2.png", "3.png"], "label": [1, 0]}
            >>> PairList.from_table(table).to_table("pairs.csv")
            >>> PairList.from_table("pairs.csv") == PairList.from_table(table)
            True
        """
        table_writing.write_pairs(self, path)

    def split(
        self, fraction: float, *, seed: int = 0, by: Literal["pair", "identity"] = "pair"
    ) -> tuple[PairList, PairList]:
        """Split off a part of the pairs, such as the validation pairs.

        By pair, the part holds `fraction` of the same and of the different pairs, drawn at random.
        Its identities may be in the rest too. By identity, no identity is in both, and pairs
        between the two are left out. Connected identities stay together where possible.

        Args:
            fraction: Share of the pairs to split off, in (0, 1).
            seed: Seed of the draws. The same seed results in the same split.
            by: `"pair"` or `"identity"`.

        Returns:
            The rest and the part, each in the order of this list and without folds.

        Raises:
            ValueError: If an argument is out of range, or the rest or the part would be empty.

        Warns:
            PairListWarning: If pairs are left out. Tells how many are left out and kept.

        Examples:
            >>> pair = Pair(Sample("Ada/1.jpg", "Ada"), Sample("Ada/2.jpg", "Ada"), 1)
            >>> train, validation = PairList([pair] * 20).split(0.15)
            >>> len(train), len(validation)
            (17, 3)
        """
        rng = np.random.default_rng(whole_number("seed", seed, 0))
        rest, part = splitting.split(self, fraction, by, rng)
        return self._take(rest), self._take(part)

    def in_folds(self, n_folds: int, *, seed: int = 0) -> PairList:
        """Divide the list into folds for `evaluate_folds`, with no identity in two folds.

        Folds hold about equally many same and different pairs. Pairs of identities from two folds
        are left out. If most pairs are lost, draw new ones with `PairList.sample(n_folds=...)`.

        Args:
            n_folds: Number of folds, at least 2.
            seed: Seed of the draws. The same seed results in the same folds.

        Returns:
            The pairs of one fold after another, as LFW's View 2 has them. Each fold keeps the
            order of this list. `to_lfw` can write the list if all folds are balanced alike.

        Raises:
            ValueError: If `n_folds` is not a whole number from 2, or a fold would be empty.

        Warns:
            PairListWarning: If pairs are left out. Tells how many are left out and kept.

        Examples:
            >>> names = ["Ada", "Bob", "Cyd", "Dan"]
            >>> same = [Pair(Sample(f"{i}/1.jpg", i), Sample(f"{i}/2.jpg", i), 1) for i in names]
            >>> PairList(same).in_folds(2).folds.tolist()
            [0, 0, 1, 1]
        """
        rng = np.random.default_rng(whole_number("seed", seed, 0))
        return self._take(*splitting.into_folds(self, n_folds, rng))
