"""The eight tables of TPC-H, small, with the values that its queries ask for."""

from __future__ import annotations

import datetime
import decimal
import random

import pyarrow as pa

REGIONS = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]
NATIONS = [
    ("ALGERIA", 0), ("ARGENTINA", 1), ("BRAZIL", 1), ("CANADA", 1), ("EGYPT", 4),
    ("ETHIOPIA", 0), ("FRANCE", 3), ("GERMANY", 3), ("INDIA", 2), ("INDONESIA", 2),
    ("IRAN", 4), ("IRAQ", 4), ("JAPAN", 2), ("JORDAN", 4), ("KENYA", 0),
    ("MOROCCO", 0), ("MOZAMBIQUE", 0), ("PERU", 1), ("CHINA", 2), ("ROMANIA", 3),
    ("SAUDI ARABIA", 4), ("VIETNAM", 2), ("RUSSIA", 3), ("UNITED KINGDOM", 3),
    ("UNITED STATES", 1),
]  # fmt: skip
SEGMENTS = ["AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY", "HOUSEHOLD"]
PRIORITIES = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]
MODES = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"]
INSTRUCTIONS = ["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]
COLORS = ["almond", "forest", "green", "azure", "blush", "chocolate"]
TYPES = [
    f"{size} {coat} {metal}"
    for size in ("STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO")
    for coat in ("ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED")
    for metal in ("TIN", "NICKEL", "BRASS", "STEEL", "COPPER")
]
CONTAINERS = [
    f"{size} {kind}"
    for size in ("SM", "LG", "MED", "JUMBO", "WRAP")
    for kind in ("CASE", "BOX", "BAG", "JAR", "PACK", "PKG")
]
WORDS = ["special", "pending", "requests", "carefully", "Customer", "Complaints", "quick", "foxes"]
MONEY = pa.decimal128(15, 2)
FIRST_DAY = datetime.date(1992, 1, 1)


def tables(seed: int = 1, scale: int = 1) -> dict[str, pa.Table]:
    """Customers, orders and so on in the proportions of TPC-H; 1: about 6,000 lines."""
    draw = random.Random(seed)
    num_suppliers, num_parts, num_customers, num_orders = (
        scale * count for count in (40, 100, 150, 1500)
    )

    def money(low: int, high: int) -> decimal.Decimal:
        return decimal.Decimal(draw.randint(low * 100, high * 100)).scaleb(-2)

    def words() -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(2, 5)))

    def phone(nation: int) -> str:
        return f"{nation + 10}-{draw.randint(100, 999)}-{draw.randint(1000, 9999)}"

    def day(date: datetime.date, low: int, high: int) -> datetime.date:
        return date + datetime.timedelta(days=draw.randint(low, high))

    def table(rows: list[tuple[object, ...]], **types: pa.DataType) -> pa.Table:
        columns = zip(*rows, strict=True)
        return pa.table(
            {
                name: pa.array(column, type)
                for (name, type), column in zip(types.items(), columns, strict=True)
            }
        )

    region = [(key, name, words()) for key, name in enumerate(REGIONS)]
    nation = [(key, name, region, words()) for key, (name, region) in enumerate(NATIONS)]
    supplier = []
    for key in range(1, num_suppliers + 1):
        n = draw.randrange(25)
        name = f"Supplier#{key:09d}"
        supplier.append((key, name, words(), n, phone(n), money(-999, 9999), words()))
    part = []
    for key in range(1, num_parts + 1):
        name = " ".join(draw.sample(COLORS, 3))
        brand = f"Brand#{draw.randint(1, 5)}{draw.randint(1, 5)}"
        kind, size = draw.choice(TYPES), draw.randint(1, 50)
        container = draw.choice(CONTAINERS)
        price = decimal.Decimal(90000 + key % 1000 * 100).scaleb(-2)
        maker = f"Manufacturer#{brand[6]}"
        part.append((key, name, maker, brand, kind, size, container, price, words()))
    partsupp = []
    for key in range(1, num_parts + 1):
        for offset in range(4):
            s = (key + offset * (num_suppliers // 4 + 1)) % num_suppliers + 1
            partsupp.append((key, s, draw.randint(1, 9999), money(1, 1000), words()))
    customer = []
    for key in range(1, num_customers + 1):
        n = draw.randrange(25)
        name = f"Customer#{key:09d}"
        segment = draw.choice(SEGMENTS)
        customer.append((key, name, words(), n, phone(n), money(-999, 9999), segment, words()))
    orders = []
    lineitem = []
    for key in range(1, num_orders + 1):
        ordered = day(FIRST_DAY, 0, 2405)
        total = decimal.Decimal(0)
        statuses = set()
        for line in range(1, draw.randint(1, 7) + 1):
            p, s = draw.choice(partsupp)[:2]
            quantity = decimal.Decimal(draw.randint(1, 50))
            price = quantity * part[p - 1][7]
            shipped, due = day(ordered, 1, 121), day(ordered, 30, 90)
            received = day(shipped, 1, 30)
            returned = draw.choice("RA") if received <= datetime.date(1995, 6, 17) else "N"
            status = "F" if shipped <= datetime.date(1995, 6, 17) else "O"
            statuses.add(status)
            total += price
            lineitem.append((
                key, p, s, line, quantity, price,
                decimal.Decimal(draw.randint(0, 10)).scaleb(-2),
                decimal.Decimal(draw.randint(0, 8)).scaleb(-2),
                returned, status, shipped, due, received,
                draw.choice(INSTRUCTIONS), draw.choice(MODES), words(),
            ))  # fmt: skip
        # A third of the customers order nothing.
        c = draw.randint(0, num_customers // 3 - 1) * 3 + draw.randint(1, 2)
        status = statuses.pop() if len(statuses) == 1 else "P"
        priority, clerk = draw.choice(PRIORITIES), f"Clerk#{draw.randint(1, 20):09d}"
        orders.append((key, c, status, total, ordered, priority, clerk, 0, words()))

    key, text, number, date = pa.int64(), pa.string(), pa.int32(), pa.date32()
    return {
        "region": table(region, r_regionkey=number, r_name=text, r_comment=text),
        "nation": table(
            nation, n_nationkey=number, n_name=text, n_regionkey=number, n_comment=text,
        ),
        "supplier": table(
            supplier, s_suppkey=key, s_name=text, s_address=text, s_nationkey=number,
            s_phone=text, s_acctbal=MONEY, s_comment=text,
        ),
        "part": table(
            part, p_partkey=key, p_name=text, p_mfgr=text, p_brand=text, p_type=text,
            p_size=number, p_container=text, p_retailprice=MONEY, p_comment=text,
        ),
        "partsupp": table(
            partsupp, ps_partkey=key, ps_suppkey=key, ps_availqty=key, ps_supplycost=MONEY,
            ps_comment=text,
        ),
        "customer": table(
            customer, c_custkey=key, c_name=text, c_address=text, c_nationkey=number,
            c_phone=text, c_acctbal=MONEY, c_mktsegment=text, c_comment=text,
        ),
        "orders": table(
            orders, o_orderkey=key, o_custkey=key, o_orderstatus=text, o_totalprice=MONEY,
            o_orderdate=date, o_orderpriority=text, o_clerk=text, o_shippriority=number,
            o_comment=text,
        ),
        "lineitem": table(
            lineitem, l_orderkey=key, l_partkey=key, l_suppkey=key, l_linenumber=number,
            l_quantity=MONEY, l_extendedprice=MONEY, l_discount=MONEY, l_tax=MONEY,
            l_returnflag=text, l_linestatus=text, l_shipdate=date, l_commitdate=date,
            l_receiptdate=date, l_shipinstruct=text, l_shipmode=text, l_comment=text,
        ),
    }  # fmt: skip
